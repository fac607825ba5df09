"""What a stranger, a web page or a crafted request can do to a server: nothing but get a reason."""

from __future__ import annotations

import json
import os
import urllib.parse
import zipfile
from uuid import UUID

import pytest
from monai_label.conftest import PROXY, VIEWER
from monai_label.pictures import write_picture
from monai_label.test_studies import TRAVERSALS


def all_files(server):
    """Contents of the app's code and configurations, and names of all files around."""
    root = server.app.parent
    files = [path for path in root.rglob("*") if path.is_file() and path.name not in (".lock", "server.log", "app.log")]
    code = [path for path in files if path.suffix in (".py", ".json", ".conf") and server.app in path.parents]
    assert any(path.name == "train.json" for path in code), "no configuration: the test would show nothing"
    return {path.relative_to(root): path.read_bytes() if path in code else None for path in files}


@pytest.fixture
def unchanged(server):
    """Fail if the test changes the app or leaves a file."""
    before = all_files(server)
    yield
    assert all_files(server) == before
    assert server.infer("busi", "gray").status == 200


@pytest.mark.parametrize("name", sorted({*TRAVERSALS, *(urllib.parse.quote(name, safe="") for name in TRAVERSALS)}))
def test_an_uploaded_image_lands_nowhere_but_in_the_studies(server, unchanged, tmp_path, name):
    answer = server.add_image(name, write_picture(tmp_path, "gray"))
    assert (answer.status, "an image may be called" in answer.reason) == (403, True), answer.body


def test_the_name_of_an_uploaded_file_is_no_path_either(server, unchanged, tmp_path):
    (tmp_path / "..\\evil.png").write_bytes(write_picture(tmp_path, "gray").read_bytes())
    answer = server.multipart("PUT", "/datastore/", {}, {"file": tmp_path / "..\\evil.png"})
    assert (answer.status, "an image may be called" in answer.reason) == (403, True), answer.body


@pytest.mark.parametrize("suffix", [".json", ".py", ".pt", ".mhd", "", ".png.py"])
def test_an_upload_that_is_no_image_is_refused(server, unchanged, tmp_path, suffix):
    (tmp_path / f"evil{suffix}").write_text("{}")
    for answer in (
        server.add_image("evil", tmp_path / f"evil{suffix}"),
        server.save_label("gray", tmp_path / f"evil{suffix}"),
        server.open_session(tmp_path / f"evil{suffix}"),
        server.infer("busi", file=tmp_path / f"evil{suffix}"),
    ):
        assert (answer.status, "must end in one of" in answer.reason) == (403, True), answer.body


@pytest.mark.parametrize("tag", ["../../app/model/busi/configs", "..", "/tmp", "other", "final/.."])
def test_a_label_lands_nowhere_but_in_the_studies(server, unchanged, tmp_path, tag):
    assert server.save_label("gray", write_picture(tmp_path, "gray"), tag).status == 403
    for method in ("GET", "DELETE"):
        query = urllib.parse.urlencode({"label": "gray", "id": "gray", "tag": tag})
        assert server.request(method, f"/datastore/label?{query}").status == 403


@pytest.mark.parametrize("way", ["as it is", "from the studies", "in the parameters"])
def test_an_image_elsewhere_on_the_machine_is_not_read(server, unchanged, tmp_path, way):
    path = str(write_picture(tmp_path, "gray"))
    answer = {
        "as it is": lambda: server.infer("busi", path),
        "from the studies": lambda: server.infer("busi", "../" * 20 + path),
        "in the parameters": lambda: server.multipart("POST", "/infer/busi?image=gray", {"image": path}, {}),
    }[way]()
    assert answer.status in (400, 404), answer.body


@pytest.mark.parametrize(
    "route", ["/infer/busi?image={}", "/datastore/image?image={}", "/datastore/image/info?image={}"]
)
def test_a_link_in_the_studies_does_not_open_the_machine(server, tmp_path, route):
    link = server.studies / "link.png"
    link.symlink_to(write_picture(tmp_path, "gray"))
    try:
        method = "POST" if "infer" in route else "GET"
        answers = [server.request(method, route.format("link"))]
        answers.append(server.save_label("link", write_picture(tmp_path, "gray")))
    finally:
        link.unlink()
    assert {answer.status for answer in answers} <= {403, 404}, answers


def test_an_upload_is_not_written_through_a_link(server, tmp_path):
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"of another person")
    (server.studies / "through.png").symlink_to(secret)
    try:
        answer = server.add_image("through", write_picture(tmp_path, "gray"))
    finally:
        (server.studies / "through.png").unlink()
    assert (answer.status, secret.read_bytes()) == (403, b"of another person"), answer.body


@pytest.mark.parametrize(
    "options",
    [
        {"tracking": "/tmp/evil.json"},
        {"tracking": "%evil.json"},
        {"tracking": "mlflow", "tracking_uri": "http://evil.example"},
        {"bundle_path": "/tmp"},
        {"model": "../../studies"},
        {"model_filename": "../../../studies/evil.pt"},
        {"model_filename": ["model.pt", "evil.pt"]},
        {"run_id": "imports"},
        {"run_id": "../x"},
        {"max_epochs": "$exit()"},
        {"max_epochs": {"_target_": "os.abort"}},
        {"max_epochs": 10**9},
        {"max_epochs": 0},
        {"val_split": "nan"},
        {"val_split": -1},
        {"device": "$__import__('os').abort()"},
        {"device": ["cpu"]},
        {"gpus": "0;touch x"},
        {"gpus": "0\n"},
        {"force_multi_gpu": True},
        {"pretrained": False},
        {"other": [{"a": "@run"}]},
        {"_target_": "os.abort"},
        {"local_rank": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("run_sync", [True, False], ids=["foreground", "background"])
def test_a_training_takes_known_options_only_and_says_which_was_wrong(server, unchanged, options, run_sync):
    answer = server.request("POST", f"/train/busi?run_sync={run_sync}", json.dumps(options).encode())
    assert (answer.status, next(iter(options)) in answer.reason) == (400, True), answer.body


@pytest.mark.parametrize(
    "options",
    [
        {"image": "/etc/passwd"},
        {"label_tag": "../x"},
        {"save_label": True},
        {"result_extension": "/../../x.png"},
        {"result_dtype": "object"},
        {"result_write_to_file": False},
        {"logging": "x" * 100},
        {"skip_writer": True},
        {"model_filename": "../x"},
        {"timeout": 1e9},
        {"bundle_root": "/tmp"},
        {"preprocessing": "$exit()"},
    ],
    ids=str,
)
def test_an_inference_takes_known_options_only_and_says_which_was_wrong(server, unchanged, options):
    answer = server.multipart("POST", "/infer/busi?image=gray", options, {})
    assert (answer.status, next(iter(options)) in answer.reason) == (400, True), answer.body


@pytest.mark.parametrize("params", [[], None, 5, "x", [{"prompt": "x"}]], ids=repr)
def test_parameters_that_are_no_options_at_all_get_a_reason(server, params):
    for answer in (
        server.multipart("POST", "/infer/busi?image=gray", params, {}),
        server.request("POST", "/train/busi?run_sync=true", json.dumps(params).encode()),
    ):
        assert answer.status == 400, answer.body
        assert answer.reason


@pytest.mark.parametrize("strategy", ["..", "other", "first/..", "%2e%2e"])
def test_a_strategy_is_one_of_the_servers(server, unchanged, strategy):
    assert server.request("POST", f"/activelearning/{strategy}", b"{}").status == 404


@pytest.mark.parametrize(
    "options", [{"images": ["/etc/passwd"]}, {"label_tag": "../x"}, {"bundle_path": "/tmp"}, {"max_workers": 10**6}]
)
def test_a_batch_takes_known_options_only(server, unchanged, options):
    answer = server.request("POST", "/batch/infer/busi?run_sync=true", json.dumps(options).encode())
    assert (answer.status, next(iter(options)) in answer.reason) == (400, True), answer.body


@pytest.mark.parametrize(
    "session", ["..", "../..", "../sessions", "x", "%2e%2e", "00000000-0000-0000-0000-000000000000"]
)
def test_a_session_is_one_that_the_server_opened(server, unchanged, session):
    quoted = urllib.parse.quote_plus(session)
    answers = [server.request(method, f"/session/{quoted}") for method in ("GET", "DELETE")]
    answers.append(server.request("POST", f"/infer/busi?image=gray&session_id={quoted}"))
    assert {answer.status for answer in answers} <= {400, 404, 405}, answers


@pytest.mark.parametrize(
    "left", [{}, {"meta.info": '{"name": "ha'}, {"upload.png": "x"}], ids=["nothing", "half", "image"]
)
def test_what_a_killed_server_left_of_a_session_is_tidied_up(server, tmp_path, left):
    folder = server.app / "sessions" / "00000000-0000-0000-0000-000000000001"
    folder.mkdir(parents=True)
    for name, content in left.items():
        (folder / name).write_text(content)
    os.utime(folder, (0, 0))
    opened = server.open_session(write_picture(tmp_path, "gray"))
    assert (opened.status, folder.exists()) == (200, False), opened.body
    assert server.request("DELETE", f"/session/{opened.json()['session_id']}").status == 200


def test_the_name_of_a_session_tells_nothing_of_others(server, tmp_path):
    opened = server.open_session(write_picture(tmp_path, "gray")).json()["session_id"]
    assert server.request("DELETE", f"/session/{opened}").status == 200
    assert UUID(opened).version == 4, "of random digits only"


def test_other_users_of_the_machine_cannot_read_what_is_kept_for_a_while(server):
    assert (server.app / "sessions").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("yes", ["true", "1", "True", "on"])
@pytest.mark.parametrize("suffix", [".zip", ".nii.gz"])
def test_an_archive_is_not_unpacked(server, unchanged, tmp_path, suffix, yes):
    with zipfile.ZipFile(tmp_path / f"evil{suffix}", "w") as archive:
        archive.writestr("../../../app/main.py", "print()")
    answer = server.multipart("PUT", f"/session/?uncompress={yes}", {}, {"files": tmp_path / f"evil{suffix}"})
    assert (answer.status, "archives are not unpacked" in answer.reason) == (403, True), answer.body


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/reload"),
        ("GET", "/logs/"),
        ("GET", "/logs/gpu"),
        ("GET", "/model/busi"),
        ("PUT", "/model/busi"),
        ("DELETE", "/model/busi"),
        ("GET", "/proxy/dicom/studies"),
        ("GET", "/ohif/index.html"),
        ("GET", "/static/favicon.ico"),
        ("GET", "/"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("POST", "/infer/wsi/busi"),
        ("POST", "/infer/wsi_v2/busi"),
        ("POST", "/train/"),
        ("POST", "/scoring/"),
        ("DELETE", "/datastore/?id=gray"),
        ("DELETE", "/datastore/image?id=gray"),
        ("PUT", "/datastore/image/info?image=gray"),
        ("PUT", "/datastore/label/info?label=gray&tag=final"),
        ("PUT", "/datastore/updatelabelinfo?label=gray&tag=final"),
        ("GET", "/datastore/dataset"),
    ],
)
def test_routes_that_slicer_does_not_need_are_not_there(server, unchanged, method, path):
    assert server.request(method, path, b"" if method != "GET" else None).status in (404, 405)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:8000"},
    ],
    ids=str,
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/info/"), ("POST", "/train/busi"), ("OPTIONS", "/train/busi")])
def test_a_web_page_can_neither_read_nor_train(server, headers, method, path):
    answer = server.request(method, path, b"{}" if method == "POST" else None, headers=headers)
    assert answer.status == 403, answer.body


@pytest.mark.parametrize("headers", [{"Origin": VIEWER}, {"Host": PROXY}, {"Host": "localhost:1"}], ids=str)
def test_the_pages_and_names_that_were_listed_get_in(server, headers):
    assert server.request("GET", "/info/", headers=headers).status == 200


def test_a_text_body_is_no_way_round_the_check_of_options(server, unchanged):
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        assert server.request("POST", "/train/busi?run_sync=true", b'{"tracking": "x"}', kind).status == 400


def test_slicer_is_offered_what_the_server_takes(server):
    options = server.options("trainers", "busi")
    assert {"device", "max_epochs", "val_split", "run_id"} <= options.keys()
    assert server.train("busi", run_sync=True, **options).reason.startswith("there is nothing to train on")
