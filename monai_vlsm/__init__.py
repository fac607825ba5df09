"""Text-prompted medical image segmentation: VLSM-Adapter as a MONAI plugin.

Names are imported when they are first used: ``import monai_vlsm`` alone takes milliseconds and no PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# For type checkers and editors, which do not run __getattr__; tests/test_init.py holds it in step with _HOMES.
if TYPE_CHECKING:
    from monai_vlsm.data import load_datalist as load_datalist
    from monai_vlsm.errors import DataError as DataError
    from monai_vlsm.errors import MissingFileError as MissingFileError
    from monai_vlsm.networks import CLIPSegDenseAdapter as CLIPSegDenseAdapter
    from monai_vlsm.networks import CLIPSegFineTune as CLIPSegFineTune
    from monai_vlsm.networks import CLIPSegShallowAdapter as CLIPSegShallowAdapter
    from monai_vlsm.networks import load_backbone as load_backbone
    from monai_vlsm.networks import load_checkpoint as load_checkpoint
    from monai_vlsm.predictor import Prediction as Prediction
    from monai_vlsm.predictor import Predictor as Predictor

    __version__: str

_HOMES = {
    "CLIPSegDenseAdapter": "networks",
    "CLIPSegFineTune": "networks",
    "CLIPSegShallowAdapter": "networks",
    "DataError": "errors",
    "MissingFileError": "errors",
    "Prediction": "predictor",
    "Predictor": "predictor",
    "load_backbone": "networks",
    "load_checkpoint": "networks",
    "load_datalist": "data",
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("importlib.metadata").version(__name__)
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
