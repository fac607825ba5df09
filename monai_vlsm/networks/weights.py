"""Weights of a CLIPSeg from a file, checked against its configuration before memory is taken for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from monai_vlsm.errors import DataError
from monai_vlsm.networks.torch_file import read_torch_file, require_regular_file

_KINDS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def build_model(config: CLIPSegConfig, file: Path) -> CLIPSegForImageSegmentation:
    """Build the model that ``config`` describes, in float32, with the weights of a ``.safetensors`` or ``.bin`` file.

    Raises:
        DataError: if a tensor is missing, has another shape or kind, or holds a value that is not finite.
    """
    with torch.device("meta"):
        expected = {name: tensor.shape for name, tensor in CLIPSegForImageSegmentation(config).state_dict().items()}
    read = _read_safetensors if file.suffix == ".safetensors" else _read_bin
    tensors = {name: _finite(name, tensor, file) for name, tensor in read(file, expected).items()}
    return CLIPSegForImageSegmentation.from_pretrained(
        None, config=config, state_dict=tensors, dtype=torch.float32, attn_implementation="sdpa"
    )


def _read_safetensors(file: Path, expected: Mapping[str, torch.Size]) -> dict[str, torch.Tensor]:
    require_regular_file(file)
    try:
        with safe_open(file, framework="pt") as opened:
            shapes = {name: torch.Size(opened.get_slice(name).get_shape()) for name in opened.keys()}  # noqa: SIM118
            _require_shapes(shapes, expected, file)
            return {name: opened.get_tensor(name) for name in expected}
    except (SafetensorError, OSError, RuntimeError, OverflowError) as error:
        raise DataError(f"the weights {str(file)!r} are damaged, fetch them again: {error}") from error


def _read_bin(file: Path, expected: Mapping[str, torch.Size]) -> dict[str, torch.Tensor]:
    content = read_torch_file(file)
    if not isinstance(content, Mapping) or not all(isinstance(tensor, torch.Tensor) for tensor in content.values()):
        raise DataError(f"the weights {str(file)!r} are not tensors by name.")
    _require_shapes({name: tensor.shape for name, tensor in content.items()}, expected, file)
    return {name: content[name] for name in expected}


def _require_shapes(shapes: Mapping[str, torch.Size], expected: Mapping[str, torch.Size], file: Path) -> None:
    missing = sorted(expected.keys() - shapes.keys())
    if missing:
        raise DataError(
            f"the weights {str(file)!r} are not those of a CLIPSeg: {len(missing)} tensors are missing, the first is "
            f"{missing[0]!r}."
        )
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise DataError(
                f"{name!r} in {str(file)!r} has the shape {tuple(shapes[name])}, the config.json beside it says "
                f"{tuple(shape)}."
            )


def _finite(name: str, tensor: torch.Tensor, file: Path) -> torch.Tensor:
    if tensor.dtype not in _KINDS or tensor.layout != torch.strided:
        raise DataError(f"{name!r} in {str(file)!r} is of {tensor.dtype}, weights must be real numbers.")
    # A copy: what the file is mapped into would change with the file.
    copied = tensor.to(torch.float32, copy=True)
    if copied.numel() and not torch.stack(torch.aminmax(copied)).isfinite().all():
        raise DataError(f"{name!r} in {str(file)!r} holds values that are not finite: fetch the weights again.")
    return copied
