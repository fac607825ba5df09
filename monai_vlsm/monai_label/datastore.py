"""A folder of studies of which MONAI Label reads and writes nothing outside, whatever a request or a link says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monailabel.datastore.local import LocalDatastore

from monai_vlsm.errors import MissingFileError
from monai_vlsm.monai_label.refusals import ForbiddenError
from monai_vlsm.monai_label.studies import STORED_SUFFIXES, require_below, require_id, require_suffix

TAGS = ("final", "original")
"""Folders of labels: what a person submitted, and what a model found."""


class StudiesDatastore(LocalDatastore):
    """MONAI Label's folder of studies, with names that are looked up and paths that are checked.

    It is the only part of the server that turns what a client calls an image into a path.

    Args:
        folder: of the studies.
        auto_reload: whether it watches for files that come and go.
        read_only: whether images are not looked for.
    """

    def __init__(self, folder: str, auto_reload: bool = True, read_only: bool = False) -> None:
        patterns = [f"*{suffix}" for suffix in STORED_SUFFIXES]
        super().__init__(folder, extensions=patterns, auto_reload=auto_reload, read_only=read_only)

    def image_path(self, image: Any) -> Path:
        """Return the file of an image.

        Raises:
            MissingFileError: if there is no image of that name.
            ForbiddenError: if its file is a link that leads out of the folder.
        """
        path = super().get_image_uri(image) if isinstance(image, str) else ""
        if not path:
            raise MissingFileError(f"there is no image {image!r} among the studies: upload it, or name one of them.")
        return require_below(path, self._datastore_path)

    def label_path(self, label: Any, tag: str) -> Path:
        """Return the file of a label, as :meth:`image_path` does of an image."""
        _require_tag(tag)
        path = super().get_label_uri(label, tag) if isinstance(label, str) else ""
        if not path:
            raise MissingFileError(f"there is no label of {label!r} with the tag {tag!r}.")
        return require_below(path, self._datastore_path)

    def get_image_uri(self, image_id: str) -> str:
        """Return the path of an image, or nothing where there is none."""
        return str(self.image_path(image_id)) if super().get_image_uri(image_id) else ""

    def get_label_uri(self, label_id: str, label_tag: str) -> str:
        """Return the path of a label, or nothing where there is none."""
        return str(self.label_path(label_id, label_tag)) if super().get_label_uri(label_id, label_tag) else ""

    def add_image(self, image_id: str, image_filename: str, image_info: dict[str, Any]) -> str:
        """Take a file into the studies, under a plain name."""
        suffix = require_suffix(image_filename)
        self._require_place(Path(require_id(image_id) + suffix))
        return str(super().add_image(image_id, image_filename, image_info))

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        """Take a file in as the label of an image."""
        suffix = require_suffix(label_filename)
        _require_tag(label_tag)
        if not super().get_image_uri(image_id):
            require_id(image_id)
        self.image_path(image_id)
        self._require_place(Path(self._datastore.label_path(label_tag), image_id + suffix))
        return str(super().save_label(image_id, label_filename, label_tag, label_info))

    def datalist(self, full_path: bool = True) -> list[dict[str, Any]]:
        """Return the images with a label, in the order that MONAI Label gives, none of them outside of the folder."""
        listed = super().datalist(full_path)
        for entry in listed if full_path else ():
            for path in entry.values():
                require_below(path, self._datastore_path)
        return list(listed)

    def _require_place(self, path: Path) -> None:
        """Raise a ForbiddenError if a link would lead what is written to ``path``, below the folder, elsewhere."""
        folder = Path(self._datastore_path).resolve()
        target = folder / path
        if target.resolve() != target:
            raise ForbiddenError(f"{path.name!r} is a link, or lies behind one: it is not written to.")


def _require_tag(tag: str) -> None:
    if tag not in TAGS:
        raise ForbiddenError(f"a label has one of the tags {', '.join(TAGS)}, not {tag!r:.80}.")
