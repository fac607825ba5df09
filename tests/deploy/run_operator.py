"""Run a bundle in MONAI Deploy's own operators, on a series of DICOM files and on pictures in memory.

The test starts it with the Python of ``.venv-deploy``: ``run_operator.py BUNDLE SERIES PICTURES.npz MASKS.npz``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
from monai.deploy.core import AppContext, Application, Image, IOType
from monai.deploy.operators import (
    DICOMDataLoaderOperator,
    DICOMSeriesSelectorOperator,
    DICOMSeriesToVolumeOperator,
    IOMapping,
    MonaiBundleInferenceOperator,
)


class Port:
    """Both ends of an operator: what it receives, and what it emits."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def receive(self, name: str) -> Any:
        return self.value

    def emit(self, value: Any, name: str) -> None:
        self.value = value


def operator_of(bundle: Path) -> MonaiBundleInferenceOperator:
    return MonaiBundleInferenceOperator(
        Application(),
        app_context=AppContext({}),
        input_mapping=[IOMapping("image", Image, IOType.IN_MEMORY)],
        output_mapping=[IOMapping("pred", Image, IOType.IN_MEMORY)],
        bundle_path=bundle,
        name="bundle",
    )


def mask_of(operator: MonaiBundleInferenceOperator, image: Any) -> np.ndarray:
    port = Port(image)
    operator.compute(port, port, None)
    return port.value.asnumpy()


def read_series(folder: Path) -> Image:
    app = Application()
    studies = DICOMDataLoaderOperator(app, name="loader").load_data_to_studies(folder)
    selected = DICOMSeriesSelectorOperator(app, name="selector").filter(None, studies)
    return DICOMSeriesToVolumeOperator(app, name="volume").convert_to_image(selected)


def main() -> None:
    bundle, series, pictures, masks = (Path(argument) for argument in sys.argv[1:])
    images: dict[str, Any] = {"series": read_series(series)}
    for name, array in np.load(pictures).items():
        images[name] = array if name == "array" else Image(array, {"source_format": ".png", "filename": f"{name}.png"})
    operator = operator_of(bundle)
    np.savez(masks, **{name: mask_of(operator, image) for name, image in images.items()})


if __name__ == "__main__":
    main()
