"""Studies as the label server keeps them, without MONAI Label."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_vlsm.errors import MissingFileError


class StudiesInMemory:
    """What scores and reviews need of studies.

    Args:
        folder: of the labels.
        images: names.
    """

    def __init__(self, folder: Path, *images: str) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.infos: dict[str, dict[str, Any]] = {image: {} for image in images}
        self.writes = 0

    def list_images(self) -> list[str]:
        return list(self.infos)

    def get_unlabeled_images(self) -> list[str]:
        return [image for image in self.infos if "final" not in self.get_labels_by_image_id(image)]

    def get_labels_by_image_id(self, image_id: str) -> dict[str, str]:
        return {tag: image_id for tag in ("final", "original") if (self.folder / tag / f"{image_id}.png").exists()}

    def image_path(self, image: str) -> Path:
        if image not in self.infos:
            raise MissingFileError(f"there is no image {image!r}.")
        return self.folder / f"{image}.png"

    def label_path(self, label: str, tag: str) -> Path:
        return self.folder / tag / f"{label}.png"

    def get_image_info(self, image_id: str) -> dict[str, Any]:
        return dict(self.infos[image_id])

    def update_image_infos(self, infos: Mapping[str, dict[str, Any]]) -> None:
        self.writes += 1
        for image, info in infos.items():
            self.infos[image].update(info)

    def save_label(self, image_id: str, label_filename: str, label_tag: str, label_info: dict[str, Any]) -> str:
        with self.lock:
            self.give_label(image_id, Path(label_filename).read_text(), label_tag)
        return image_id

    def give_label(self, image: str, content: str, tag: str = "final") -> None:
        """Save the content of a label."""
        self.label_path(image, tag).parent.mkdir(exist_ok=True)
        self.label_path(image, tag).write_text(content)
