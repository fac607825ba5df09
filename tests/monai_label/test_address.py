"""Where a label server may listen: on this machine, or behind a login and TLS."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from monai_vlsm.__main__ import main
from monai_vlsm.errors import DataError
from monai_vlsm.monai_label.address import Address, Tls
from monai_vlsm.monai_label.app_folder import server_command
from monai_vlsm.monai_label.login import write_token

OUTSIDE = ["0.0.0.0", "::", "", "192.168.1.5", "label.example", "localhost.example", "0x7f000001"]


@pytest.mark.parametrize("host", OUTSIDE)
def test_an_address_that_other_machines_reach_is_refused_with_all_ways_out(tmp_path, host):
    with pytest.raises(DataError, match=r"without a login(.|\n)*ssh -L 8000(.|\n)*--auth(.|\n)*--host-name"):
        main(["label-app", "busi", "--studies", str(tmp_path), "--app", str(tmp_path / "app"), "--host", host])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("host", OUTSIDE)
def test_a_login_alone_is_not_enough_where_the_network_can_be_read(host):
    with pytest.raises(DataError, match=r"--tls-cert(.|\n)*--insecure-http"):
        Address(host, login=True, host_names=("label.example",))


@pytest.mark.parametrize("host", OUTSIDE)
def test_a_login_and_tls_let_other_machines_in(host, pair):
    assert Address(host, login=True, tls=Tls(*pair), host_names=("label.example",)).host == host


def test_a_network_that_is_called_safe_needs_no_tls_but_the_login():
    assert Address("192.168.1.5", login=True, insecure_http=True).url == "http://192.168.1.5:8000"
    with pytest.raises(DataError, match="without a login"):
        Address("192.168.1.5", insecure_http=True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_every_address_of_a_machine_needs_the_name_that_clients_use(host):
    with pytest.raises(DataError, match="--host-name"):
        Address(host, login=True, insecure_http=True)
    named = Address(host, login=True, insecure_http=True, host_names=("label.example",))
    assert named.url == "http://label.example:8000"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_an_address_of_this_machine_alone_is_taken(host):
    assert Address(host).host == host


def test_a_url_says_what_a_client_is_told(pair):
    assert Address("::1", 8001, tls=Tls(*pair)).url == "https://[::1]:8001"


@pytest.mark.parametrize(
    "origin", ["*", "null", "", "viewer.example", "https://a.example/path", "https://a.example, *"]
)
def test_what_is_no_origin_is_refused(origin):
    with pytest.raises(DataError, match="an origin looks like"):
        Address(origins=(origin,))


@pytest.mark.parametrize("name", ["*", "", "*.example", "a.example:8000", "http://a.example", "a,b"])
def test_what_is_no_host_name_is_refused(name):
    with pytest.raises(DataError, match="a host name looks like"):
        Address(host_names=(name,))


def locked(folder):
    """A key with a password."""
    command = ["openssl", "genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:x", "-out", str(folder / "a")]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "a"


@pytest.mark.parametrize("wrong", ["missing", "text", "another key", "key with a password"])
def test_a_certificate_that_cannot_be_used_is_noticed_before_the_start(tmp_path, pair, wrong):
    (tmp_path / "text").write_text("hello")
    key = {
        "missing": lambda: tmp_path / "nothing",
        "text": lambda: tmp_path / "text",
        "another key": lambda: pair[0],
        "key with a password": lambda: locked(tmp_path),
    }[wrong]()
    with pytest.raises(DataError, match="both as PEM"):
        Tls(pair[0], key)


def test_a_key_that_every_user_can_read_is_refused(tmp_path, pair):
    certificate, key = (shutil.copy(path, tmp_path / path.name) for path in pair)
    key.chmod(0o644)
    with pytest.raises(DataError, match="every user of this machine can read"):
        Tls(certificate, key)
    key.chmod(0o640)
    assert Tls(certificate, key).key == key


def test_a_certificate_without_its_key_is_refused(tmp_path):
    with pytest.raises(DataError, match="belong together"):
        main(["label-app", "busi", "--studies", str(tmp_path), "--auth", "--tls-cert", "cert.pem"])


def test_the_token_itself_is_on_no_command_line(tmp_path, pair):
    token = write_token(tmp_path).read_text().strip()
    command = " ".join(server_command(tmp_path, Path("studies"), ["busi"], Address(login=True, tls=Tls(*pair))))
    assert f"--ssl_certfile {pair[0]} --ssl_keyfile {pair[1]} --conf login token" in command
    assert token not in command
