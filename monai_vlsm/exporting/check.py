"""Whether the files of an export give what the network gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from monai_vlsm.errors import DataError
from monai_vlsm.exporting.files import FLOAT16, FLOAT32, PT2
from monai_vlsm.exporting.parts import Part
from monai_vlsm.networks.nets.prompted import PromptedNetwork

MOST = {FLOAT32: 1e-3, FLOAT16: 1e-2}
"""How far a probability may be from that of the network, by the precision of the weights."""
_SIZES = ((1, 77), (3, 5))
"""Images and tokens that are tried; the parts were recorded with others."""

Run = Callable[..., torch.Tensor]


@torch.no_grad()
def largest_difference(network: PromptedNetwork, parts: Mapping[str, Part], folder: Path, kind: str) -> float:
    """Return how far probabilities of the files are from those of the network at most, for noise and its own prompt.

    Args:
        network: that was exported.
        parts: of it, by name.
        folder: with their files.
        kind: of the files.
    """
    encode_image, encode_text, decode = (run_of(folder / f"{name}.{kind}", part) for name, part in parts.items())
    side = parts["image_encoder"].inputs["image"].shape[-1]
    tokenizer: Any = network.tokenizer
    differences = []
    for batch, tokens in _SIZES:
        image = torch.randn(batch, 3, side, side, generator=torch.Generator().manual_seed(batch))
        input_ids = network.default_input_ids[:, :tokens].repeat(batch, 1)
        input_ids[:, -1] = tokenizer.eos_token_id  # a text that does not end stands for nothing
        found = decode(encode_image(image), encode_text(input_ids))
        differences.append((found.sigmoid() - network(image, input_ids).sigmoid()).abs().max())
    return float(torch.stack(differences).max())


def run_of(path: Path, part: Part, threads: int = 0) -> Run:
    """Return what runs the file of a part, on ``threads`` of the processor; 0 leaves them to its runtime."""
    if path.suffix == f".{PT2}":
        return torch.export.load(path).module()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = list(part.inputs)
    return lambda *values: torch.from_numpy(
        session.run(None, {name: value.numpy() for name, value in zip(names, values, strict=True)})[0]
    )


def require_small(difference: float, precision: str) -> None:
    """Raise a DataError unless a difference is as small as it should be."""
    if not difference <= MOST[precision]:
        way_out = "export in float32" if precision == FLOAT16 else "export as TorchScript (monai.bundle ckpt_export)"
        raise DataError(
            f"the {precision} files give probabilities up to {difference:.2g} away from those of the network, at most "
            f"{MOST[precision]:g} is accepted. Nothing was written: {way_out}."
        )
