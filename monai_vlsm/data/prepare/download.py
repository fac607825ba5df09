"""Fetch a file: what is there already is not fetched again, and a broken download goes on where it stopped."""

from __future__ import annotations

import os
from collections.abc import Iterator
from email.message import Message
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm.auto import tqdm

from monai_vlsm.data.whole import file_sha256
from monai_vlsm.errors import DataError, MissingFileError

_CHUNK = 1 << 20  # bytes
_TIMEOUT = 30  # seconds without a single byte


def download(url: str, path: Path, sha256: str = "", progress: bool = True) -> Path:
    """Fetch ``url`` into ``path`` and return it; the file appears only when it is complete.

    A part that an earlier try left is completed only if it surely belongs to the same file: the server says so
    (``If-Range`` with its own ETag or date, kept beside the part), or the checksum will tell. Pieces of two versions
    joined would be a file that nobody has published.

    Args:
        url: of the file.
        path: a file there is taken for what is wanted, once its checksum is right.
        sha256: expected checksum; not compared if empty.
        progress: show a progress bar.

    Raises:
        MissingFileError: if the address cannot be reached; the part that was fetched is kept for the next try.
        DataError: if the checksum is another one; the file is removed.
    """
    if path.is_file():
        return _verified(path, sha256, url)
    path.parent.mkdir(parents=True, exist_ok=True)
    # Its name stays the same, unlike that of other unfinished files: the next try has to find it.
    part = path.with_name(f"{path.name}.part")
    try:
        _fetch(url, part, bool(sha256), progress)
    except (URLError, HTTPException, OSError) as error:
        kept = f" {part.stat().st_size:,} bytes are kept: try again to go on." if part.is_file() else ""
        raise MissingFileError(
            f"{url} could not be fetched ({error}).{kept} Or fetch it by other means and save it as {str(path)!r}."
        ) from error
    _version_file(part).unlink(missing_ok=True)
    _verified(part, sha256, url)
    os.replace(part, path)
    return path


def _fetch(url: str, part: Path, has_checksum: bool, progress: bool) -> None:
    """Complete ``part``, or fetch it anew if it may belong to another version of the file."""
    version = _version_file(part).read_text(encoding="utf-8") if _version_file(part).is_file() else ""
    have = part.stat().st_size if part.is_file() and (version or has_checksum) else 0
    if have and _resume(url, part, version, has_checksum, progress):
        return
    with urlopen(Request(url), timeout=_TIMEOUT) as response:
        _receive_all(response, part, progress)


def _resume(url: str, part: Path, version: str, has_checksum: bool, progress: bool) -> bool:
    """Fetch what is behind ``part``; False if the server does not continue the same file."""
    have = part.stat().st_size
    headers = {"Range": f"bytes={have}-"} | ({"If-Range": version} if version else {})
    try:
        response = urlopen(Request(url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        if error.code != 416:
            raise
        # There is nothing behind the part: it is the whole file, or of a longer one that was there before.
        same = _version_of(error.headers) in ("", version)
        return (same and _content_range(error.headers)[1] == have) or has_checksum
    with response:
        if response.status == 200:  # everything, as the version is another one, or the server cannot do otherwise
            _receive_all(response, part, progress)
            return True
        start, total = _content_range(response.headers)
        same = bool(version) and _version_of(response.headers) in ("", version) and start == have
        if response.status != 206 or not (same or (has_checksum and start in (None, have))):
            return False
        _receive(response, part, have, progress, total)
    return True


def _receive_all(response: Any, part: Path, progress: bool) -> None:
    part.unlink(missing_ok=True)
    _version_file(part).write_text(_version_of(response.headers), encoding="utf-8")
    _receive(response, part, 0, progress)


def _receive(response: Any, part: Path, have: int, progress: bool, total: int | None = None) -> None:
    length = response.headers.get("Content-Length")
    total = total or (have + int(length) if length else None)
    with (
        # No appending: another process that fetches the same file writes the same bytes to the same places.
        part.open("r+b" if have else "wb") as file,
        tqdm(desc=part.stem, total=total, initial=have, unit="B", unit_scale=True, disable=not progress) as bar,
    ):
        file.seek(have)
        for chunk in _chunks(response):
            file.write(chunk)
            bar.update(len(chunk))
        if total is not None and file.tell() != total:
            raise HTTPException(f"the connection ended after {file.tell():,} of {total:,} bytes")


def _chunks(response: Any) -> Iterator[bytes]:
    while chunk := response.read(_CHUNK):
        yield chunk


def _version_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _version_of(headers: Message) -> str:
    """Return what tells one version of a file from another: a strong ETag or a date; empty if there is neither."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified", "")


def _content_range(headers: Message) -> tuple[int | None, int | None]:
    """Return start and whole size of ``Content-Range: bytes 10-19/20`` or ``bytes */20``; None where not told."""
    place, _, total = headers.get("Content-Range", "").removeprefix("bytes").strip().partition("/")
    start = place.partition("-")[0]
    return int(start) if start.isdecimal() else None, int(total) if total.isdecimal() else None


def _verified(path: Path, sha256: str, url: str) -> Path:
    if sha256 and (found := file_sha256(path)) != sha256:
        path.unlink()
        raise DataError(
            f"{str(path)!r} is not the file that was published (sha256 {found}, expected {sha256}); it was removed. "
            f"Fetch {url} again."
        )
    return path
