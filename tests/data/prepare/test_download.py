"""Downloads from a server on this machine that breaks off now and then."""

from __future__ import annotations

import hashlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from monai_vlsm.data.prepare.download import download
from monai_vlsm.errors import DataError, MissingFileError

CONTENT = bytes(range(256)) * 40
SUM = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    break_after: list[int] = []
    ranges: list[str] = []
    resumable = True

    def do_GET(self):
        asked = self.headers.get("Range", "")
        self.ranges.append(asked)
        start = int(asked[6:-1]) if asked and self.resumable else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        stop = self.break_after.pop() if self.break_after else len(CONTENT)
        self.wfile.write(CONTENT[start:stop])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def url(monkeypatch):
    """Address of a file; ``Handler`` decides how well it is served."""
    monkeypatch.setattr(Handler, "break_after", [])
    monkeypatch.setattr(Handler, "ranges", [])
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/file.zip"
    server.shutdown()
    server.server_close()


def test_a_file_is_fetched_once(url, tmp_path):
    for _ in range(2):
        assert download(url, tmp_path / "sub" / "file.zip", SUM, progress=False).read_bytes() == CONTENT
    assert Handler.ranges == [""]


@pytest.mark.parametrize("resumable", [True, False])
def test_a_broken_download_goes_on_where_it_stopped(url, tmp_path, resumable, monkeypatch):
    monkeypatch.setattr(Handler, "resumable", resumable)
    Handler.break_after.append(4000)
    with pytest.raises(MissingFileError, match="4,000 bytes are kept: try again"):
        download(url, tmp_path / "file.zip", SUM, progress=False)
    assert not (tmp_path / "file.zip").exists()
    assert download(url, tmp_path / "file.zip", SUM, progress=False).read_bytes() == CONTENT
    assert Handler.ranges == ["", "bytes=4000-"]


def test_a_part_that_is_complete_already_is_taken(url, tmp_path):
    (tmp_path / "file.zip.part").write_bytes(CONTENT)
    assert download(url, tmp_path / "file.zip", SUM, progress=False).read_bytes() == CONTENT


def test_another_content_is_refused_and_removed(url, tmp_path):
    with pytest.raises(DataError, match="not the file that was published"):
        download(url, tmp_path / "file.zip", "0" * 64, progress=False)
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_cannot_be_reached_is_named_with_another_way(tmp_path):
    with pytest.raises(MissingFileError, match=r"http://127\.0\.0\.1:9/x could not be fetched .*save it as"):
        download("http://127.0.0.1:9/x", tmp_path / "x", progress=False)
