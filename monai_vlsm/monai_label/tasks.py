"""What the server does with a bundle: inference by what is there now, in several threads, and training."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from threading import RLock
from typing import Any

from monai.bundle import ConfigParser
from monailabel.tasks.infer.bundle import BundleInferTask
from monailabel.tasks.train.bundle import BundleTrainTask
from monailabel.utils.others.generic import name_to_device

from monai_vlsm.bundle import CALIBRATION, MODEL
from monai_vlsm.calibration import IDENTITY
from monai_vlsm.monai_label.options import TrainOptions
from monai_vlsm.transforms.presence import EMPTIED, PRESENCE
from monai_vlsm.transforms.prompt import PROMPT

_LOSSY = (".jpg", ".jpeg", ".webp")


class InferTask(BundleInferTask):
    """Inference by the calibration that is there now, which says in its answer how likely the target is there.

    MONAI Label evaluates a configuration once, and takes up new weights by the time of their file. What was made of the
    configuration is forgotten when weights or calibration are others, as after a training. Requests run at the same
    time: one after the other they take what they need from the configuration.
    """

    bundle_config: Any
    bundle_path: str

    def __init__(self, path: str, conf: dict[str, str]) -> None:
        self._reading = RLock()
        super().__init__(path, conf)
        # It has been read: the prompt is among the options that clients show.
        self.bundle_config.config.pop("displayable_configs", None)
        self._written = copy.deepcopy(self.bundle_config.config)
        self._state = self._files()

    def pre_transforms(self, data: dict[str, Any] | None = None) -> Any:
        """Return what loads an image, as the first of what a request takes from the configuration."""
        with self._reading:
            state = self._files()
            if state != self._state:
                self.bundle_config = ConfigParser(copy.deepcopy(self._written))
                self._state = state
            return super().pre_transforms(data)

    def inferer(self, data: dict[str, Any] | None = None) -> Any:
        """Return what runs the network."""
        with self._reading:
            return super().inferer(data)

    def post_transforms(self, data: dict[str, Any] | None = None) -> Any:
        """Return what makes a mask of logits."""
        with self._reading:
            return super().post_transforms(data)

    def _get_network(self, device: str, data: dict[str, Any] | None) -> Any:
        """Return the network, with the weights that are there now."""
        with self._reading:
            return super()._get_network(device, data)

    def loaded(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return a request with its image, as the first steps of MONAI Label make it."""
        data = {**copy.deepcopy(self._config), **request, PROMPT: None, "image_path": request["image"]}
        data["device"] = name_to_device(data["device"])
        return dict(self.run_pre_transforms(data, self.pre_transforms(data)))

    def network_of(self, data: dict[str, Any]) -> Any:
        """Return the network on the device of a request."""
        return self._get_network(data["device"], data)

    def temperature(self) -> float:
        """Return that of the calibration that is there now."""
        with self._reading:
            return float(self.bundle_config.get_parsed_content("calibration", default=IDENTITY).temperature)

    def write(self, data: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        """Write a label map; return its file, and room for what the answer says."""
        file, said = super().writer(data, _lossless_suffix(data))
        return file, dict(said)

    def writer(self, data: dict[str, Any], extension: Any = None, dtype: Any = None) -> tuple[Any, dict[str, Any]]:
        """Write the mask; return its file, and what the answer says."""
        file, said = super().writer(data, extension or _lossless_suffix(data), dtype)
        return file, {**said, **{name: data[name] for name in (PRESENCE, EMPTIED)}}

    def _files(self) -> list[tuple[int, ...] | None]:
        """Return what tells the present weights and calibration from others."""
        paths = (Path(self.bundle_path) / name for name in (MODEL, CALIBRATION))
        facts = (path.stat() if path.exists() else None for path in paths)
        return [one and (one.st_ino, one.st_size, one.st_mtime_ns) for one in facts]


def _lossless_suffix(data: Mapping[str, Any]) -> str | None:
    """Return that of PNG where a mask would get the suffix of its image, and so be a JPEG with other values in it."""
    is_lossy = Path(data["image_path"]).suffix.lower() in _LOSSY
    return ".png" if is_lossy and not data.get("result_extension") else None


class TrainTask(BundleTrainTask):
    """Training that offers the options which the server takes, and no others."""

    def config(self) -> dict[str, Any]:
        """Return the options with their defaults, as clients show them."""
        return {name: value for name, value in super().config().items() if name in TrainOptions.model_fields}
