"""Images that lie elsewhere, such as in an object store, by addresses like ``s3://bucket/folder``, through fsspec."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from monai_vlsm.data.names import IMAGE_SUFFIXES, is_image, natural_order
from monai_vlsm.errors import DataError, MissingFileError, UserError
from monai_vlsm.predicting.naming import Place

_ADDRESS = re.compile(r"[a-z][a-z0-9+]*://.+")
_VERSION = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "created")
"""What stores say about a file that changes with its content; the first that is there counts."""


@dataclass(frozen=True)
class Remote:
    """A file elsewhere.

    Args:
        address: with its protocol.
        size: bytes.
        version: changes with its content, as far as the store tells.
    """

    address: str
    size: int
    version: str


def is_address(text: str) -> bool:
    """Tell addresses from paths."""
    return _ADDRESS.fullmatch(text) is not None


def find_remote(address: str) -> dict[Place, Remote]:
    """Return the images of an address: of a file, of a folder with all below it, or of a pattern.

    Raises:
        MissingFileError: if there are none.
        DataError: if the store cannot be asked.
    """
    protocol = address.partition("://")[0]
    with _told(address):
        store, path = _store(address)
        is_pattern = any(sign in path for sign in "*?[")
        found = store.glob(path, detail=True) if is_pattern else store.find(path, detail=True)
    plain = re.split(r"[*?\[]", path)[0].rpartition("/")[0] if is_pattern else path
    base = str(PurePosixPath(path).parent) if path in found else plain
    files = {
        name: facts
        for name, facts in found.items()
        if facts.get("type") == "file" and is_image(name) and not _is_hidden(name, base)
    }
    if not files:
        raise MissingFileError(f"expected images ({', '.join(IMAGE_SUFFIXES)}), but {address!r} holds none.")
    return {
        Place(_place(protocol, name), _place(protocol, base)): _remote(store.unstrip_protocol(name), files[name])
        for name in sorted(files, key=natural_order)
    }


@contextmanager
def local_copy(remote: Remote) -> Iterator[Path]:
    """Give a copy of a file that is gone afterwards; errors about it name the address.

    Raises:
        DataError: if it cannot be fetched.
    """
    with TemporaryDirectory(prefix="monai_vlsm_") as folder:
        path = Path(folder, PurePosixPath(remote.address).name)
        with _told(remote.address):
            store, name = _store(remote.address)
            store.get_file(name, str(path))
        try:
            yield path
        except UserError as error:
            raise DataError(str(error).replace(str(path), remote.address)) from error


def _is_hidden(name: str, base: str) -> bool:
    """Tell whether a file, or a folder that holds it below what was given, begins with a point."""
    return any(part.startswith(".") for part in PurePosixPath(name).relative_to(base).parts)


def _store(address: str) -> Any:
    from fsspec.core import url_to_fs

    return url_to_fs(address)


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Tell what goes wrong in a store as an error of the user's; every store has errors of its own."""
    try:
        yield
    except ImportError as error:
        raise DataError(f"{address!r} needs another package: {error} (pip install s3fs, for s3://).") from error
    except FileNotFoundError as error:
        raise MissingFileError(f"there is no {address!r}.") from error
    except Exception as error:
        raise DataError(f"{address!r} cannot be read: {type(error).__name__}: {error}") from error


def _place(protocol: str, name: str) -> Path:
    """Return what stands for a file elsewhere in names of results, and tells its kind."""
    return Path("/", protocol, name.lstrip("/"))


def _remote(address: str, facts: dict[str, Any]) -> Remote:
    version = next((str(facts[key]) for key in _VERSION if facts.get(key)), "")
    return Remote(address, int(facts.get("size") or 0), version)
