"""The login of a real server, and requests as they come over the wire, written by hand."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time
import urllib.parse

import pytest
from monai_label.conftest import VIEWER
from monai_label.pictures import write_picture
from monai_label.server import PYTHON, LabelClient

PLUGIN = """
import json, sys
from monailabel.client import MONAILabelClient

url, password, image = sys.argv[1:]
client = MONAILabelClient(url, client_id="user-xyz")
said = {"enabled": client.auth_enabled()}
client.update_auth(client.auth_token("user-xyz", password))
said["valid"] = client.auth_valid_token()
said["models"] = sorted(client.info()["models"])
session = client.create_session(image)["session_id"]
file, params = client.infer("busi", "", {"result_extension": ".nrrd"}, session_id=session)
said["labels"] = params["label_names"]
client.remove_session(session)
print(json.dumps(said))
"""
"""What the plugin of 3D Slicer does with its client, which MONAI Label brings along."""


@pytest.fixture
def stranger(server):
    """A client that does not know the token."""
    return LabelClient(server.url)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/info/"),
        ("GET", "/datastore/"),
        ("GET", "/datastore/image?image=gray"),
        ("PUT", "/datastore/?image=x"),
        ("PUT", "/datastore/label?image=gray"),
        ("DELETE", "/datastore/label?id=gray&tag=final"),
        ("PUT", "/session/"),
        ("POST", "/infer/busi?image=gray"),
        ("POST", "/batch/infer/busi"),
        ("POST", "/train/busi"),
        ("DELETE", "/train/"),
        ("POST", "/activelearning/random"),
        ("GET", "/auth/token/valid"),
        ("GET", "/nothing"),
        ("OPTIONS", "/info/"),
    ],
)
def test_every_route_asks_for_the_token(server, stranger, method, path):
    answer = stranger.request(method, path, b"{}" if method in ("PUT", "POST") else None)
    assert (answer.status, "login" in answer.reason) == (401, True), answer.body


def test_a_wrong_token_does_not_get_in_and_the_right_one_does_afterwards(server, stranger):
    for _ in range(12):
        shown = {"Authorization": "Bearer " + "x" * 43}
        assert stranger.request("GET", "/info/", headers=shown).status in (401, 429)
    assert (
        stranger.request("POST", "/auth/token", b"username=a&password=b", "application/x-www-form-urlencoded").status
        == 429
    )
    assert server.request("GET", "/info/").status == 200


def test_a_browser_gets_in_with_the_token_as_its_password(server, stranger):
    shown = base64.b64encode(f"anybody:{server.token}".encode()).decode()
    assert stranger.request("GET", "/info/", headers={"Authorization": f"Basic {shown}"}).status == 200


def test_the_plugin_of_slicer_logs_in_with_the_token_as_its_password(server, tmp_path):
    image = str(write_picture(tmp_path, "slice"))
    command = [str(PYTHON), "-W", "ignore", "-c", PLUGIN, server.url, server.token, image]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    assert said == {"enabled": True, "valid": True, "models": ["any", "busi", "other"], "labels": {"tumor": 1}}


def test_a_page_that_may_use_the_server_can_ask_before_it_shows_the_token(server, stranger):
    asks = {"Origin": VIEWER, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    assert stranger.request("OPTIONS", "/info/", headers=asks).status == 200
    assert stranger.request("GET", "/info/", headers={"Origin": VIEWER}).status == 401
    assert server.request("GET", "/info/", headers={"Origin": VIEWER}).status == 200


def test_the_token_is_in_no_log_and_on_no_command_line(server):
    written = [path for path in server.app.parent.rglob("*") if path.is_file() and path.name != "login_token"]
    assert any(path.name == "app.log" for path in written)
    assert [path for path in written if server.token.encode() in path.read_bytes()] == []
    shown = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert server.token not in shown
    assert (server.app / "login_token").stat().st_mode & 0o777 == 0o600


def speak(server, request, seconds=20.0):
    """Send bytes as they are, and return what comes back until the server closes, or says no more."""
    host = urllib.parse.urlsplit(server.url)
    with socket.create_connection((host.hostname, host.port), timeout=seconds) as wire:
        wire.sendall(request)
        answer = b""
        try:
            while part := wire.recv(65536):
                answer += part
        except (ConnectionResetError, TimeoutError):
            pass
    return answer


def head(server, first, *lines, token=True):
    shown = [f"Authorization: Bearer {server.token}"] if token else []
    return "\r\n".join([first, "Host: localhost", *shown, *lines, "", ""]).encode()


def test_nothing_of_a_large_upload_is_waited_for_without_the_token(server):
    begin = time.monotonic()
    lines = ("Content-Length: 2000000000", "Content-Type: multipart/form-data; boundary=x")
    answer = speak(server, head(server, "PUT /datastore/?image=x HTTP/1.1", *lines, token=False) + b"--x\r\n")
    assert answer.startswith(b"HTTP/1.1 401")
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    "lines",
    [
        ("Content-Length: 2", "Content-Length: 3"),
        ("Content-Length: -1",),
        ("Content-Length: 0x2",),
        ("Content-Length: 2", "Transfer-Encoding: chunked"),
        ("Transfer-Encoding: gzip, chunked",),
        ("Transfer-Encoding: identity",),
        ("Content-Length: 2147483649",),
        ("X-Long: " + "x" * 200_000,),
        (" folded: x",),
        ("Na me: x",),
        ("Host: evil.example",),
        ("Authorization: Bearer wrong",),
        ("Origin: http://evil.example", "Origin: " + VIEWER),
        ("Content-Type: multipart/form-data",),
        ("Content-Type: multipart/form-data; boundary=" + "x" * 5000,),
    ],
    ids=lambda lines: " & ".join(line[:30] for line in lines),
)
def test_headers_that_do_not_fit_together_are_refused_and_nothing_behind_them_is_answered(server, lines):
    hidden = b"{}" + head(server, "GET /info/ HTTP/1.1")
    answer = speak(server, head(server, "POST /train/busi HTTP/1.1", "Connection: close", *lines) + hidden)
    statuses = [int(part.split()[0]) for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert all(400 <= status < 500 for status in statuses), answer[:500]
    assert b'"models"' not in answer
    assert server.request("GET", "/info/").status == 200


@pytest.mark.parametrize("size", [b"-1", b"FFFFFFFFFFFFFFFFF", b"xyz", b"2;" + b"x" * 100_000])
def test_chunks_that_are_none_are_refused(server, size):
    begin = head(server, "POST /train/busi HTTP/1.1", "Transfer-Encoding: chunked", "Content-Type: application/json")
    answer = speak(server, begin + size + b"\r\n{}\r\n0\r\n\r\n", seconds=5)
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:500]
    assert server.request("GET", "/info/").status == 200


def test_chunks_count_as_the_body_that_they_are(server):
    begin = head(server, "POST /train/busi HTTP/1.1", "Transfer-Encoding: chunked", "Content-Type: application/json")
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    assert speak(server, begin + chunk * 40, seconds=10).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "filename",
    [
        "a.nii.gz/../../x",
        "a.png\\..\\..\\x.py",
        "a.png\0.py",
        "a.png:stream",
        "a.png.",
        "a.png ",
        "a.p\u200bng",
        "a.png%00.py",
        "a.\uff50ng",
        "CON",
        "",
    ],
    ids=repr,
)
@pytest.mark.parametrize(
    ("path", "field"),
    [("/datastore/?image=x", "file"), ("/datastore/label?image=gray", "label"), ("/session/", "files")],
)
def test_a_file_name_that_ends_in_something_else_is_refused(server, tmp_path, filename, path, field):
    content = write_picture(tmp_path, "gray").read_bytes()
    named = f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="{filename}"\r\n\r\n'.encode()
    answer = server.request("PUT", path, named + content + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")
    assert answer.status in ((403,) if filename else (400, 403)), answer.body
    assert not list(server.studies.glob("x*"))


def test_of_a_file_name_with_folders_only_the_kind_is_taken(server, tmp_path):
    content = write_picture(tmp_path, "gray").read_bytes()
    named = b'--x\r\nContent-Disposition: form-data; name="files"; filename="/tmp/../etc/../a.png"\r\n\r\n'
    answer = server.request("PUT", "/session/", named + content + b"\r\n--x--\r\n", "multipart/form-data; boundary=x")
    session = answer.json()["session_id"]
    try:
        assert answer.json()["session_info"]["image"] == str(server.app / "sessions" / session / "upload.png")
    finally:
        assert server.request("DELETE", f"/session/{session}").status == 200
