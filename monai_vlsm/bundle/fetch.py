"""Get the folder of a bundle wherever it is: here, in an archive, or on the hub. Nothing of it is run."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path, PurePosixPath

from monai_vlsm.bundle.files import is_known_file, read_file
from monai_vlsm.bundle.open import CALIBRATION, MODEL, find_bundle
from monai_vlsm.data.folder import cache_folder
from monai_vlsm.data.unpacking import Entry, is_zip, open_archive, require_no_bomb, write_entry
from monai_vlsm.data.whole import file_sha256, new_folder
from monai_vlsm.errors import DataError, MissingFileError, UserError

_HUB_ID = re.compile(r"(?P<owner>\w[\w.-]*)/(?P<name>\w[\w.-]*)(@(?P<revision>\w[\w./-]*))?")
_BUNDLE = re.compile(r"\w[\w.-]*")
_INFERENCE = "configs/inference.json"
_LARGE_FILES = "large_files.yml"
_MODELS = (MODEL.as_posix(), CALIBRATION.as_posix(), "models/backbone/*")
_FILES = ("LICENSE", _LARGE_FILES, "configs/*", "docs/*", *_MODELS)
"""What is taken from the hub, where they are bundle files; a repository may hold more."""

_MOST_ENTRIES = 1000
"""Files in an archive; ``package`` writes 10 to 20."""
_MOST_TIMES = 20
"""A bundle may be so many times as large as its archive; ``package`` compresses texts only, to a fifth."""
_ALWAYS_ALLOWED = 16 << 20
"""Bytes that any archive may unpack to."""


def bundle_folder(bundle: str) -> Path:
    """Return the folder of a bundle, unpacked or fetched where that is needed, once for all processes.

    Archives are unpacked, and bundles of the hub copied, to ``~/.cache/monai_vlsm/bundles`` (or below
    ``XDG_CACHE_HOME``), under a name that their content has alone. A bundle that the hub's cache has is not asked for
    again. What is there is a stranger's: who uses the folder checks it as any other.

    Args:
        bundle: a folder; a name below ``bundles/``; a zip archive as ``monai-vlsm package`` writes it; or the hub id of
            a repository, ``owner/name`` or ``owner/name@revision``. A folder goes first, then a file.

    Returns:
        The folder; for a name or path that leads to nothing that one, as :func:`.find_bundle`.

    Raises:
        MissingFileError: if there is no such archive, or the bundle is neither cached nor reachable on the hub.
        DataError: if the archive is damaged, locked or none of a bundle, or tries a trick; or if the cache cannot be
            written.
    """
    folder, path, hub_id = find_bundle(bundle), Path(bundle).expanduser(), _HUB_ID.fullmatch(bundle)
    if folder.is_dir():
        return folder
    if path.is_file():
        return _from_archive(path)
    if path.suffix.lower() == ".zip":
        raise MissingFileError(f"there is no archive {str(path.absolute())!r}: 'monai-vlsm package' writes one.")
    if hub_id and not Path(hub_id["owner"]).exists():
        return _from_hub(f"{hub_id['owner']}/{hub_id['name']}", hub_id["revision"])
    return folder


def _from_archive(archive: Path) -> Path:
    if not is_zip(archive):
        raise DataError(f"{str(archive)!r} is no zip archive: give one that 'monai-vlsm package' wrote, or a folder.")
    digest = file_sha256(archive)
    with open_archive(archive, _MOST_ENTRIES) as entries:
        name = _bundle_in(entries, archive)
        files = {_name_inside(entry): entry for entry in entries}
        size = sum(entry.size for entry in entries)
        allowed = max(_ALWAYS_ALLOWED, _MOST_TIMES * archive.stat().st_size)
        require_no_bomb(size, allowed, _MOST_TIMES, archive)
        return _cached(
            PurePosixPath("archives", digest, name),
            {file: entry.size for file, entry in files.items()},
            lambda file, target: write_entry(files[file], target),
        )


def _bundle_in(entries: Sequence[Entry], archive: Path) -> str:
    """Return the name of the only folder in an archive, in which all is that belongs into a bundle, and no more."""
    paths = [PurePosixPath(entry.name) for entry in entries]
    names = {path.parts[0] for path in paths}
    name = min(names, default="")
    if len(names) != 1 or not _BUNDLE.fullmatch(name) or PurePosixPath(name, _INFERENCE) not in paths:
        raise DataError(
            f"the archive {str(archive)!r} is none of a bundle: expected one folder with {_INFERENCE} in it, as "
            f"'monai-vlsm package' writes it, got {sorted(names)[:5]}. Unpack it yourself and give the folder."
        )
    for entry in entries:
        if not is_known_file(_name_inside(entry)):
            raise DataError(
                f"the archive {str(archive)!r} was not unpacked: {entry.name!r} is no file that bundles have, "
                "and could be code. Unpack it yourself, look at it, and give the folder."
            )
    return name


def _name_inside(entry: Entry) -> str:
    """Return the name of an entry below the bundle's folder; two slashes in a row would make the rest absolute."""
    return PurePosixPath(*PurePosixPath(entry.name).parts[1:]).as_posix()


def _from_hub(repository: str, revision: str | None) -> Path:
    snapshot = _snapshot(repository, revision)
    names = (path.relative_to(snapshot).as_posix() for path in snapshot.rglob("*") if path.is_file())
    files = [name for name in names if _is_taken(name)]
    if _INFERENCE not in files:
        raise DataError(f"{repository!r} on the hub is no bundle: it lacks {_INFERENCE}.")
    place = PurePosixPath("hub", repository.replace("/", "--"), snapshot.name, repository.rpartition("/")[2])
    # The hub's cache consists of links, which a bundle must not have.
    return _cached(
        place,
        {file: (snapshot / file).stat().st_size for file in files},
        lambda file, target: shutil.copyfile(snapshot / file, target),
    )


def _is_taken(name: str) -> bool:
    return is_known_file(name) and any(fnmatchcase(name, pattern) for pattern in _FILES)


def _snapshot(repository: str, revision: str | None) -> Path:
    """Return the folder of a repository in the hub's cache, named after the commit; ask the hub where there is none."""
    from huggingface_hub import snapshot_download

    fetch = partial(snapshot_download, repository, revision=revision, allow_patterns=list(_FILES))
    try:
        cached = Path(fetch(local_files_only=True))
        # Of a download that was stopped only a part is there, which older versions of the client return.
        if all((cached / name).is_file() for name in (_INFERENCE, MODEL)):
            return cached
    except (OSError, ValueError):
        pass
    try:
        return Path(fetch())
    except (OSError, ValueError) as error:
        pinned = f" --revision {revision}" if revision else ""
        reason = str(error).strip().splitlines()
        raise MissingFileError(
            f"there is no folder {repository!r}, and the bundle of this name is neither in the local cache of the hub "
            f"nor could it be fetched ({reason[0] if reason else type(error).__name__}). Choose one:\n"
            f"  1. fetch it once, where there is a network:  hf download {repository}{pinned}\n"
            "  2. give a folder with it, or an archive from 'monai-vlsm package'"
        ) from error


def _cached(place: PurePosixPath, sizes: Mapping[str, int], write: Callable[[str, Path], object]) -> Path:
    """Return a folder of the cache, filled unless it is there and whole; another process waits meanwhile.

    Args:
        place: of the folder in the cache.
        sizes: bytes of each file in it.
        write: writes the file of a name to a path.
    """
    from filelock import FileLock

    folder = cache_folder("bundles") / place
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / ".lock"):
            # Some systems clear caches of what was long not used, file by file.
            if not all(_has_size(folder / file, size) for file, size in sizes.items()):
                shutil.rmtree(folder, ignore_errors=True)
                with new_folder(folder, sum(sizes.values())) as unfinished:
                    for file in sizes:
                        (unfinished / file).parent.mkdir(parents=True, exist_ok=True)
                        write(file, unfinished / file)
                    _require_complete(unfinished)
    except UserError:
        raise
    except OSError as error:
        raise DataError(
            f"the cache {str(folder)!r} cannot be used ({error}): name another by XDG_CACHE_HOME."
        ) from error
    return folder


def _has_size(path: Path, size: int) -> bool:
    return path.is_file() and path.stat().st_size == size


def _require_complete(folder: Path) -> None:
    """Make sure that files which do not travel with the bundle, but are listed, are there all the same."""
    if not (folder / _LARGE_FILES).is_file():
        return
    import yaml

    try:
        listed = yaml.safe_load(read_file(folder / _LARGE_FILES))["large_files"]
        missing = [file["path"] for file in listed if not (folder / file["path"]).is_file()]
    except (yaml.YAMLError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{_LARGE_FILES} of the bundle cannot be read: {error}") from error
    if missing:
        raise MissingFileError(
            f"the bundle keeps {missing[0]!r} elsewhere. Unpack it, run 'python -m monai.bundle download_large_files "
            "--bundle_path FOLDER', which fetches what large_files.yml lists, and give the folder."
        )
