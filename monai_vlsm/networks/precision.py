"""In which type a network computes, and in which it therefore holds its frozen weights."""

from __future__ import annotations

import os
import platform

import torch
from torch import nn

from monai_vlsm.errors import DataError

AUTO = "auto"
ENVIRONMENT_VARIABLE = "MONAI_VLSM_PRECISION"
"""What ``"auto"`` means on this site, instead of what the machine says."""
_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
PRECISIONS = (AUTO, *_TYPES)
_MULTIPLIED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def require_precision(precision: str) -> None:
    """Raise a DataError unless ``precision`` is one of ``PRECISIONS``."""
    if precision not in PRECISIONS:
        raise DataError(f"precision must be one of {', '.join(map(repr, PRECISIONS))}, not {precision!r}.")


def compute_type(precision: str, device: torch.device) -> torch.dtype:
    """Return the type that a precision means on a device.

    ``"auto"`` is bfloat16 where the GPU has it, else float16; on a CPU bfloat16 where the processor multiplies it
    natively, else float32; on any other device float32. The environment variable ``MONAI_VLSM_PRECISION`` replaces it.

    Raises:
        DataError: if the environment variable holds no precision.
    """
    if precision == AUTO:
        precision = os.environ.get(ENVIRONMENT_VARIABLE) or AUTO
        require_precision(precision)
    if precision != AUTO:
        return _TYPES[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.bfloat16 if device.type == "cpu" and cpu_multiplies_bfloat16() else torch.float32


def cpu_multiplies_bfloat16() -> bool:
    """Tell whether this processor has instructions that multiply bfloat16 (AVX512-BF16, AMX; BF16 of Arm).

    PyTorch computes in bfloat16 on every processor, but without them it is slower than float32.
    """
    if platform.machine() in ("x86_64", "AMD64"):
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def hold_type(backbone: nn.Module, module: nn.Module, compute: torch.dtype) -> torch.dtype:
    """Return the type in which a frozen parameter of ``module`` is held.

    What is multiplied or looked up in bulk is held in the type of the computation, so no step converts it. Norms and
    positions stay in float32, and with them the sum that runs through the layers.
    """
    is_vocabulary = module is backbone.clip.text_model.embeddings.token_embedding  # type: ignore[union-attr]
    return compute if isinstance(module, _MULTIPLIED) or is_vocabulary else torch.float32


def cast_norms_once(encoder: nn.Module) -> None:
    """Let what norms give be cast where autocast is on, once instead of by each of the layers that multiply it."""
    for layer in encoder.encoder.layers:  # type: ignore[union-attr]
        for norm in (layer.layer_norm1, layer.layer_norm2):
            norm.register_forward_hook(_cast)


def _cast(module: nn.Module, args: tuple, output: torch.Tensor) -> torch.Tensor:
    kind = output.device.type
    return output.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else output


def needs_loss_scaling(network: nn.Module) -> bool:
    """Tell whether gradients of ``network`` vanish unless the loss is scaled, for ``amp`` of MONAI's trainer.

    The network casts by itself, so only the scaling is wanted of ``amp``: give ``amp_kwargs={"enabled": False}``.

    Raises:
        DataError: if it computes in float16 on a CPU, where MONAI's trainer does not scale.
    """
    bare: nn.Module = getattr(network, "module", network)
    if bare.compute_type != torch.float16:
        return False
    if next(bare.parameters()).device.type != "cuda":
        raise DataError("training in float16 needs a GPU: choose the precision 'bfloat16' or 'float32'.")
    return True
