"""Fetch a file: what is there already is not fetched again, and a broken download goes on where it stopped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm.auto import tqdm

from monai_vlsm.errors import DataError, MissingFileError

_CHUNK = 1 << 20  # bytes
_TIMEOUT = 30  # seconds without a single byte


def download(url: str, path: Path, sha256: str = "", progress: bool = True) -> Path:
    """Fetch ``url`` into ``path`` and return it; the file appears only when it is complete.

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
    part = path.with_name(f"{path.name}.part")
    try:
        _fetch(url, part, progress)
    except (URLError, HTTPException, OSError) as error:
        kept = f" {part.stat().st_size:,} bytes are kept: try again to go on." if part.is_file() else ""
        raise MissingFileError(
            f"{url} could not be fetched ({error}).{kept} Or fetch it by other means and save it as {str(path)!r}."
        ) from error
    _verified(part, sha256, url)
    os.replace(part, path)
    return path


def file_sha256(path: Path) -> str:
    """Return the checksum of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _fetch(url: str, part: Path, progress: bool) -> None:
    have = part.stat().st_size if part.is_file() else 0
    try:
        response = urlopen(Request(url, headers={"Range": f"bytes={have}-"} if have else {}), timeout=_TIMEOUT)
    except HTTPError as error:
        if error.code != 416:  # the part is the whole file already
            raise
        return
    with response:
        resumed = response.status == 206
        have = have if resumed else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length else None
        with (
            part.open("ab" if resumed else "wb") as file,
            tqdm(desc=part.stem, total=total, initial=have, unit="B", unit_scale=True, disable=not progress) as bar,
        ):
            for chunk in _chunks(response):
                file.write(chunk)
                bar.update(len(chunk))
            if total is not None and file.tell() != total:
                raise HTTPException(f"the connection ended after {file.tell():,} of {total:,} bytes")


def _chunks(response: object) -> Iterator[bytes]:
    while chunk := response.read(_CHUNK):  # type: ignore[attr-defined]
        yield chunk


def _verified(path: Path, sha256: str, url: str) -> Path:
    if sha256 and (found := file_sha256(path)) != sha256:
        path.unlink()
        raise DataError(
            f"{str(path)!r} is not the file that was published (sha256 {found}, expected {sha256}); it was removed. "
            f"Fetch {url} again."
        )
    return path
