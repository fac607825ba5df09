"""A folder of studies of which MONAI Label reads and writes nothing outside, whatever a request or a link says."""

from __future__ import annotations

import filecmp
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock
from monailabel.datastore.local import DataModel, ImageLabelModel, LocalDatastore

from monai_vlsm.data.whole import remove_abandoned_below, replace_whole
from monai_vlsm.errors import MissingFileError, UserError
from monai_vlsm.monai_label.merging import merge
from monai_vlsm.monai_label.refusals import ForbiddenError, TakenError
from monai_vlsm.monai_label.reviews import FINAL, FIX, ORIGINAL, REJECT, verdict_on
from monai_vlsm.monai_label.studies import STORED_SUFFIXES, require_below, require_id, require_suffix

TAGS = (FINAL, ORIGINAL)
"""Folders of labels: what a person submitted, and what a model found."""
_logger = logging.getLogger(__name__)


class StudiesDatastore(LocalDatastore):
    """MONAI Label's folder of studies, with names that are looked up and paths that are checked.

    It is the only part of the server that turns what a client calls an image into a path.

    What is known of the studies is changed by who holds ``lock`` only, and by putting another table in the place of the
    present one: requests read it meanwhile without a lock, and see it as it was before or after.

    Args:
        folder: of the studies.
        auto_reload: whether it watches for files that come and go.
        read_only: whether images are not looked for.
    """

    lock: FileLock
    """Held by one thread of one process at a time, which may take it again."""
    _datastore: Any
    _in_file = ""
    """What the file held when it was read or written here last."""

    def __init__(self, folder: str, auto_reload: bool = True, read_only: bool = False) -> None:
        patterns = [f"*{suffix}" for suffix in STORED_SUFFIXES]
        self.lock = FileLock(Path(folder) / ".lock")
        if not read_only:
            remove_abandoned_below(Path(folder))
        super().__init__(folder, extensions=patterns, auto_reload=auto_reload, read_only=read_only)

    def image_path(self, image: Any) -> Path:
        """Return the file of an image.

        Raises:
            MissingFileError: if there is no image of that name.
            ForbiddenError: if its file is a link that leads out of the folder.
        """
        known = self._datastore.objects.get(image) if isinstance(image, str) else None
        if known is None:
            raise MissingFileError(f"there is no image {image!r} among the studies: upload it, or name one of them.")
        return require_below(Path(self._datastore.image_path(), image + known.image.ext), self._datastore_path)

    def label_path(self, label: Any, tag: str) -> Path:
        """Return the file of a label, as :meth:`image_path` does of an image."""
        _require_tag(tag)
        known = self._datastore.label(label, tag) if isinstance(label, str) else None
        if known is None:
            raise MissingFileError(f"there is no label of {label!r} with the tag {tag!r}.")
        return require_below(Path(self._datastore.label_path(tag), label + known.ext), self._datastore_path)

    def get_image_uri(self, image_id: str) -> str:
        """Return the path of an image, or nothing where there is none."""
        return str(self.image_path(image_id)) if image_id in self._datastore.objects else ""

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """Return the path of a label, or nothing where there is none."""
        return str(self.label_path(label_id, label_tag)) if self._datastore.label(label_id, label_tag) else ""

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Take a file into the studies, under a plain name; the same file again changes nothing.

        Raises:
            TakenError: if another image has that name: its labels and reviews belong to its own pixels.
        """
        suffix = require_suffix(image_filename)
        with self.lock:
            target = self._target(Path(require_id(image_id) + suffix))
            there = _suffixes(target.parent, image_id)
            if there and (there != [suffix] or not filecmp.cmp(target, image_filename, shallow=False)):
                raise TakenError(
                    f"there is another image {image_id!r}, and images are not replaced: its labels and reviews belong "
                    "to it. Give this one another name."
                )
            if not there:
                _copy(image_filename, target)
            if image_id not in self._datastore.objects:
                image = ImageLabelModel(image=_new(image_id, suffix, image_info))
                self._datastore.objects = {**self._datastore.objects, image_id: image}
                self._update_datastore_file()
        return image_id

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Take a file in as the label of an image, in place of the one that it has, of whatever kind."""
        suffix = require_suffix(label_filename)
        _require_tag(label_tag)
        with self.lock:
            if image_id not in self._datastore.objects:
                require_id(image_id)
            self.image_path(image_id)
            target = self._target(Path(self._datastore.labels_dir, label_tag, image_id + suffix))
            _copy(label_filename, target)
            for other in _suffixes(target.parent, image_id):
                if other != suffix:
                    target.with_name(image_id + other).unlink()
            known = self._datastore.objects[image_id]
            known.labels = {**known.labels, label_tag: _new(image_id, suffix, label_info)}
            self._update_datastore_file()
        return image_id

    def remove_label(self, label_id: str, label_tag: str) -> None:
        """Remove the label of an image, and every file that would be taken for it."""
        with self.lock:
            folder = self.label_path(label_id, label_tag).parent
            for suffix in _suffixes(folder, label_id):
                (folder / (label_id + suffix)).unlink()
            self.refresh()

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """Return the images with a label that no review turned down, in the order of MONAI Label.

        An image or a label that is gone, or lies outside of the folder, is left out, and the log says so.
        """
        folder = Path(self._datastore_path).resolve()
        listed = []
        for image in self.get_labeled_images():
            if verdict_on(self, image) in (FIX, REJECT):
                continue
            try:
                paths = {"image": self.image_path(image), "label": self.label_path(image, FINAL)}
            except UserError as error:
                _logger.warning("%r is not trained on: %s", image, error)
                continue
            listed.append({key: str(path if full_path else path.relative_to(folder)) for key, path in paths.items()})
        return listed

    def get_unlabeled_images(self, label_tag: str | None = None, labels: list[str] | None = None) -> list[str]:
        """Return the images without label, and those whose label is to be fixed."""
        fixed = [image for image in self.get_labeled_images() if verdict_on(self, image) == FIX]
        return [*super().get_unlabeled_images(label_tag, labels), *fixed]

    def update_image_infos(self, infos: Mapping[str, dict[str, Any]]) -> None:
        """Add to what is known of images, with one write; an image that is gone is left out."""
        with self.lock:
            for image, info in infos.items():
                if known := self._datastore.objects.get(image):
                    known.image.info = {**known.image.info, **info}
            self._update_datastore_file()

    def update_image_info(self, image_id: str, info: dict[str, Any]) -> None:
        """Add to what is known of an image."""
        self.update_image_infos({image_id: info})

    def _reconcile_datastore(self) -> None:
        """Take in which files came and went."""
        with self.lock:
            self._init_from_datastore_file()
            known, labels_folder = self._datastore.objects, Path(self._datastore.label_path(None))
            labels = {tag.name: _listed(tag) for tag in labels_folder.iterdir() if tag.is_dir()}
            images = _listed(Path(self._datastore.image_path()))
            found = {}
            for image in [*(one for one in known if one in images), *sorted(images.keys() - known.keys())]:
                before = known[image] if image in known else ImageLabelModel(image=DataModel())
                tags = {tag: _present(before.labels.get(tag), image, files) for tag, files in labels.items()}
                there = {tag: one for tag, one in tags.items() if one is not None}
                found[image] = ImageLabelModel(image=_present(before.image, image, images), labels=there)
            if found != known:
                self._datastore.objects = found
                self._update_datastore_file()

    def _init_from_datastore_file(self, throw_exception: bool = False) -> None:
        """Take in what other processes wrote, as a batch does; what was changed here meanwhile stays."""
        try:
            with self.lock:
                self._take_over()
        except ValueError:
            _logger.exception("%r cannot be read", self._datastore_config_path)
            if throw_exception:
                raise

    def _update_datastore_file(self) -> None:
        """Write what is known whole: MONAI Label's own way leaves half a file when its process is killed.

        What another process wrote since the file was read here stays in it: MONAI Label would write over it.
        """
        with self.lock:
            with suppress(ValueError):  # a damaged file is replaced
                self._take_over()
            content = self._content()
            with replace_whole(self._datastore_config_path) as part:
                part.write_text(content, encoding="utf-8")
            self._config_ts, self._in_file = Path(self._datastore_config_path).stat().st_mtime, content

    def _take_over(self) -> None:
        """Merge what is known here with what the file says, if somebody else wrote it; the lock is held."""
        path = Path(self._datastore_config_path)
        written = path.stat().st_mtime if path.exists() else self._config_ts
        if written == self._config_ts:
            return
        content = path.read_text(encoding="utf-8")
        found = json.loads(content)
        if self._in_file:
            found = merge(json.loads(self._in_file), json.loads(self._content()), found)
        # Where things lie is not for a file to say that came with the images.
        places = {name: getattr(self._datastore, name) for name in ("base_path", "images_dir", "labels_dir")}
        self._datastore = type(self._datastore).model_validate({**found, **places})
        self._config_ts, self._in_file = written, content

    def _content(self) -> str:
        return json.dumps(self._datastore.model_dump(exclude={"base_path"}), indent=2, default=str)

    def _target(self, path: Path) -> Path:
        """Return where to write what is called ``path`` below the folder of the studies.

        Raises:
            ForbiddenError: if a link would lead what is written elsewhere.
        """
        target = Path(self._datastore_path).resolve() / path
        if target.resolve() != target:
            raise ForbiddenError(f"{path.name!r} is a link, or lies behind one: it is not written to.")
        return target


def _require_tag(tag: str) -> None:
    if tag not in TAGS:
        raise ForbiddenError(f"a label has one of the tags {', '.join(TAGS)}, not {tag!r:.80}.")


def _copy(file: str, target: Path) -> None:
    with replace_whole(target, tidy=False) as part:
        shutil.copyfile(file, part)


def _suffixes(folder: Path, name: str) -> list[str]:
    """Return the suffixes of the files, or links, of an image, or of a label."""
    return [suffix for suffix in STORED_SUFFIXES if os.path.lexists(folder / (name + suffix))]


def _listed(folder: Path) -> dict[str, list[str]]:
    """Return the suffixes of the images, or labels, that lie in a folder, by their name; hidden files are none."""
    files = sorted(entry.name for entry in os.scandir(folder) if entry.name[0] != "." and entry.is_file())
    listed: dict[str, list[str]] = {}
    for file in files:
        suffix = next((one for one in STORED_SUFFIXES if file.endswith(one)), "")
        if suffix:
            listed.setdefault(file.removesuffix(suffix), []).append(suffix)
    return listed


def _present(known: DataModel | None, name: str, listed: Mapping[str, list[str]]) -> DataModel | None:
    """Return what is known of a file that is there, and what there is to know of another one; None without a file."""
    suffixes = listed.get(name, [])
    if known is not None and known.ext in suffixes:
        return known
    return _new(name, suffixes[0]) if suffixes else None


def _new(name: str, suffix: str, info: Mapping[str, Any] | None = None) -> DataModel:
    return DataModel(ext=suffix, info={**(info or {}), "ts": int(time.time()), "name": name + suffix})
