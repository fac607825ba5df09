"""Write a bundle into a zip archive that MONAI loads and the model zoo takes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from monai_vlsm.errors import DataError, MissingFileError

LARGE = 25 * 2**20
"""Bytes; the model zoo takes no larger file, but a list of where to get them (CONTRIBUTING.md of its repository)."""

_REQUIRED = ("LICENSE", "configs/metadata.json", "configs/inference.json", "models/model.pt")
_TAKEN = ("LICENSE", "configs/*.json", "configs/logging.conf", "docs/**/*", "models/model.pt")
_PERSONAL = re.compile(r"""(?<![\w.:/-])(?:/home/|/root/|/Users/|[A-Za-z]:[\\/]+Users[\\/])[^"'\s]*""")
_OLDEST_TIME = (1980, 1, 1, 0, 0, 0)


def collect(folder: Path) -> dict[str, bytes]:
    """Read the files of a bundle that belong into its archive, by path inside the bundle: settings, texts and model.

    Raises:
        MissingFileError: if one is not there that MONAI or the model zoo need.
        DataError: if ``metadata.json`` does not know its own version.
    """
    for name in _REQUIRED:
        if not (folder / name).is_file():
            raise MissingFileError(f"there is no {str((folder / name).absolute())!r}, {_how_to_make(name, folder)}.")
    paths = [path for pattern in _TAKEN for path in folder.glob(pattern) if path.is_file()]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if path.name[0] != "."}
    metadata = json.loads(files["configs/metadata.json"])
    if metadata.get("version") not in metadata.get("changelog", {}):
        raise DataError(f"metadata.json has the version {metadata.get('version')!r}, but not in its changelog: add it.")
    return files


def require_impersonal(files: Mapping[str, bytes]) -> None:
    """Raise a DataError if a setting or a text names a folder of a person."""
    for name, content in files.items():
        if not name.startswith("models/") and (found := _PERSONAL.search(content.decode(errors="replace"))):
            raise DataError(
                f"{name} names {found[0]!r}, a folder of a person: replace it before you share the bundle, or put the "
                "backbone inside with --self-contained."
            )


def get_value(files: Mapping[str, bytes], key: str) -> Any:
    """Return the value of a top-level key in ``inference.json``, not evaluated."""
    return json.loads(files["configs/inference.json"]).get(key)


def set_value(files: Mapping[str, bytes], key: str, value: str) -> dict[str, bytes]:
    """Return ``files`` with another value of a top-level key in every configuration that has it."""
    changed = dict(files)
    for name, content in files.items():
        if name.startswith("configs/") and name.endswith(".json"):
            config = json.loads(content)
            if config.get(key, value) != value:
                text = json.dumps({**config, key: value}, indent=4, ensure_ascii=False)
                changed[name] = (text + "\n").encode()
    return changed


def move_large_files(
    files: Mapping[str, bytes], name: str, url_prefix: str
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """Replace files over ``LARGE`` bytes by ``large_files.yml``, which says where MONAI finds them.

    Args:
        files: by path inside the bundle.
        name: of the bundle.
        url_prefix: where the large files will be, for example the address of a release.

    Returns:
        What belongs into the archive, and what must be uploaded to ``url_prefix``, by file name there.
    """
    large = {path: content for path, content in files.items() if len(content) > LARGE}
    uploads = {f"{name}_{path.replace('/', '_')}": content for path, content in large.items()}
    kept = {path: content for path, content in files.items() if path not in large}
    if large:
        lines = ["large_files:"]
        for path, upload in zip(large, uploads, strict=True):
            lines += [f'- path: "{path}"', f'  url: "{url_prefix.rstrip("/")}/{upload}"']
            lines += [f'  hash_val: "{hashlib.sha256(large[path]).hexdigest()}"', '  hash_type: "sha256"']
        kept["large_files.yml"] = ("\n".join(lines) + "\n").encode()
    return kept, uploads


def write_zip(files: Mapping[str, bytes], name: str, path: Path) -> None:
    """Write ``files`` into the folder ``name`` of an archive: the same bytes each time, all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(unfinished, "w") as archive:
            for file in sorted(files):
                entry = zipfile.ZipInfo(str(PurePosixPath(name, file)), _OLDEST_TIME)
                entry.create_system, entry.external_attr = 3, 0o100644 << 16
                # Weights do not get smaller, and 600 MB take a minute.
                entry.compress_type = zipfile.ZIP_STORED if file.startswith("models/") else zipfile.ZIP_DEFLATED
                archive.writestr(entry, files[file])
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _how_to_make(name: str, folder: Path) -> str:
    if name.startswith("models/"):
        train = f"python -m monai.bundle run training --config_file {folder / 'configs' / 'train.json'}"
        return f"the trained model. Train first: {train} --bundle_root {folder}"
    return "which every bundle must have. Copy it from another bundle of this package, and adapt it"
