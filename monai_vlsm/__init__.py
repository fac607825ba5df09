"""Text-prompted medical image segmentation: VLSM-Adapter as a MONAI plugin.

Names are imported when they are first used: ``import monai_vlsm`` alone takes milliseconds and no PyTorch.
"""

import sys

# Python looks for modules in the working directory first when it runs ``python -m monai_vlsm``, whose argument is
# still "-m" at this point. That may be the folder of a stranger's bundle, and hold a torch.py or a typing.py: nothing
# else may be imported above, __future__ neither.
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    del sys.path[0]

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
    from monai_vlsm.networks import build_network as build_network
    from monai_vlsm.networks import load_backbone as load_backbone
    from monai_vlsm.networks import load_checkpoint as load_checkpoint
    from monai_vlsm.networks import load_network as load_network
    from monai_vlsm.networks import save_adapters as save_adapters
    from monai_vlsm.networks import trainable_summary as trainable_summary
    from monai_vlsm.networks import trained_parameters as trained_parameters
    from monai_vlsm.predictor import Prediction as Prediction
    from monai_vlsm.predictor import Predictor as Predictor
    from monai_vlsm.transforms import training_transform as training_transform

    __version__: str

_HOMES = {
    "CLIPSegDenseAdapter": "networks",
    "CLIPSegFineTune": "networks",
    "CLIPSegShallowAdapter": "networks",
    "DataError": "errors",
    "MissingFileError": "errors",
    "Prediction": "predictor",
    "Predictor": "predictor",
    "build_network": "networks",
    "load_backbone": "networks",
    "load_checkpoint": "networks",
    "load_datalist": "data",
    "load_network": "networks",
    "save_adapters": "networks",
    "trainable_summary": "networks",
    "trained_parameters": "networks",
    "training_transform": "transforms",
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
