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


class VersionedHandler(BaseHTTPRequestHandler):
    """A server as the standard has it: ETag, If-Range, Content-Range."""

    content = CONTENT
    break_after: list[int] = []
    requests: list[tuple[str, str]] = []
    tag = '"one"'
    obeys_if_range = True

    def do_GET(self):
        asked, condition = self.headers.get("Range", ""), self.headers.get("If-Range", "")
        self.requests.append((asked, condition))
        start = int(asked[6:-1]) if asked and (condition in ("", self.tag) or not self.obeys_if_range) else 0
        self.send_response(416 if start >= len(self.content) else 206 if start else 200)
        if self.tag:
            self.send_header("ETag", self.tag)
        if start >= len(self.content):
            self.send_header("Content-Range", f"bytes */{len(self.content)}")
            self.send_header("Content-Length", "0")
        elif start:
            self.send_header("Content-Range", f"bytes {start}-{len(self.content) - 1}/{len(self.content)}")
        self.send_header("Content-Length", str(max(0, len(self.content) - start)))
        self.end_headers()
        stop = self.break_after.pop() if self.break_after else len(self.content)
        self.wfile.write(self.content[start:stop])

    def log_message(self, *arguments):
        pass


OTHER = CONTENT[::-1] + b"longer"


@pytest.fixture
def versioned(monkeypatch):
    for name, value in {"content": CONTENT, "break_after": [], "requests": [], "tag": '"one"'}.items():
        monkeypatch.setattr(VersionedHandler, name, value)
    server = ThreadingHTTPServer(("127.0.0.1", 0), VersionedHandler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/file.zip"
    server.shutdown()
    server.server_close()


def break_off(url, path, after=4000):
    VersionedHandler.break_after.append(after)
    with pytest.raises(MissingFileError, match="bytes are kept"):
        download(url, path, progress=False)


def test_a_part_of_the_same_version_is_completed(versioned, tmp_path):
    break_off(versioned, tmp_path / "file.zip")
    assert download(versioned, tmp_path / "file.zip", progress=False).read_bytes() == CONTENT
    assert VersionedHandler.requests == [("", ""), ("bytes=4000-", '"one"')]
    assert [path.name for path in tmp_path.iterdir()] == ["file.zip"]


@pytest.mark.parametrize("obeys", [True, False])
@pytest.mark.parametrize("other", [OTHER, OTHER[: len(CONTENT)], OTHER[:3000]], ids=["longer", "as long", "shorter"])
def test_a_part_of_another_version_is_not_mixed_in(versioned, tmp_path, monkeypatch, other, obeys):
    """Half of the old file and half of the new one were taken for a file."""
    break_off(versioned, tmp_path / "file.zip")
    monkeypatch.setattr(VersionedHandler, "content", other)
    monkeypatch.setattr(VersionedHandler, "tag", '"two"')
    monkeypatch.setattr(VersionedHandler, "obeys_if_range", obeys)
    assert download(versioned, tmp_path / "file.zip", progress=False).read_bytes() == other


def test_a_part_that_nobody_vouches_for_is_fetched_anew(versioned, tmp_path):
    (tmp_path / "file.zip.part").write_bytes(b"of another file")
    assert download(versioned, tmp_path / "file.zip", progress=False).read_bytes() == CONTENT
    assert VersionedHandler.requests == [("", "")]


def test_a_server_that_names_no_version_is_asked_for_everything(versioned, tmp_path, monkeypatch):
    monkeypatch.setattr(VersionedHandler, "tag", "")
    break_off(versioned, tmp_path / "file.zip")
    monkeypatch.setattr(VersionedHandler, "content", OTHER)
    assert download(versioned, tmp_path / "file.zip", progress=False).read_bytes() == OTHER


def test_a_complete_part_is_taken_if_its_size_is_right(versioned, tmp_path):
    (tmp_path / "file.zip.part").write_bytes(CONTENT)
    (tmp_path / "file.zip.part.version").write_text('"one"')
    assert download(versioned, tmp_path / "file.zip", progress=False).read_bytes() == CONTENT
    assert len(VersionedHandler.requests) == 1


def test_a_part_that_is_too_long_is_no_complete_file(versioned, tmp_path):
    """The server answers 416 to what is behind the end, whatever is before it."""
    (tmp_path / "file.zip.part").write_bytes(CONTENT + b"more")
    (tmp_path / "file.zip.part.version").write_text('"one"')
    assert download(versioned, tmp_path / "file.zip", progress=False).read_bytes() == CONTENT


def test_a_weak_version_vouches_for_nothing(versioned, tmp_path, monkeypatch):
    monkeypatch.setattr(VersionedHandler, "tag", 'W/"one"')
    break_off(versioned, tmp_path / "file.zip")
    download(versioned, tmp_path / "file.zip", progress=False)
    assert VersionedHandler.requests == [("", ""), ("", "")]
