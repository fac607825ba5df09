"""Parts of a network compiled where that is possible, and run as they are where it is not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.utils._triton import has_triton

from monai_vlsm.errors import DataError

AUTO = "auto"
_logger = logging.getLogger("monai_vlsm")


def require_choice(choice: bool | str) -> None:
    """Raise a DataError unless ``choice`` is true, false or ``"auto"``."""
    if not isinstance(choice, bool) and choice != AUTO:
        raise DataError(f"compile must be true, false or 'auto', not {choice!r}.")


def wants_compiling(choice: bool | str, device: torch.device) -> bool:
    """Tell whether a network is compiled: ``"auto"`` is on for GPUs, if the compiler for them is there."""
    return device.type == "cuda" and has_triton() if choice == AUTO else bool(choice)


def run_compiled(part: Callable[..., Any], network: Any, *inputs: Any) -> Any:
    """Run a method of ``network`` compiled; where it cannot be, say why once and run it as it is from then on."""
    if torch.jit.is_tracing() or torch.compiler.is_compiling():
        return part(network, *inputs)
    try:
        return _compiled(part)(network, *inputs)
    except Exception as error:
        network.set_compiling(False)
        result = part(network, *inputs)  # what is wrong with the inputs is wrong without a compiler, too
        _logger.warning(f"The network runs without being compiled: {_reason(error)}")
        return result


@cache
def _compiled(part: Callable[..., Any]) -> Callable[..., Any]:
    return torch.compile(part)


def _reason(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
