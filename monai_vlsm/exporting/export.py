"""From a bundle to the folder of its export."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai_vlsm import runtime
from monai_vlsm.bundle import bundle_parser, parsed_content
from monai_vlsm.calibration.document import sha256_of
from monai_vlsm.data.folder import is_free
from monai_vlsm.data.whole import new_folder
from monai_vlsm.errors import DataError
from monai_vlsm.exporting.card import VALUES, write_card, write_tokenizer
from monai_vlsm.exporting.check import largest_difference, require_small
from monai_vlsm.exporting.files import FLOAT32, KINDS, ONNX, PRECISIONS, PT2, require_onnx, write_onnx, write_pt2
from monai_vlsm.exporting.parts import Part, parts_of, record
from monai_vlsm.networks import load_checkpoint
from monai_vlsm.networks.nets.prompted import PromptedNetwork
from monai_vlsm.runtime import TOKENIZER


def export_bundle(
    bundle: Path,
    out: Path,
    kind: str = ONNX,
    precision: str = FLOAT32,
    backbone: str | None = None,
    trust: bool = False,
) -> dict[str, Any]:
    """Write the network of a bundle as three files, with its tokenizer and a card of all else, see docs/export.md.

    Args:
        bundle: folder of a trained bundle.
        out: folder to make, outside of the bundle; it is there whole, or not at all.
        kind: ``"onnx"`` or ``"pt2"``.
        precision: in which ONNX files store their weights, ``"float32"`` or ``"float16"``.
        backbone: in place of the bundle's own, see :func:`monai_vlsm.networks.load_backbone`.
        trust: as for :meth:`.Predictor.from_bundle`.

    Returns:
        The card.

    Raises:
        MissingFileError: if the folder is no bundle, or has no model.
        DataError: if ``out`` is not free, a package is missing, or the files do not give what the network gives.
    """
    _require_choices(bundle, out, kind, precision)
    parser = bundle_parser(bundle, backbone, trust)
    values = {key: parsed_content(parser, key) for key in (*VALUES, "calibration", "checkpoint")}
    network = load_checkpoint(parsed_content(parser, "network_def"), values["checkpoint"]).set_precision(FLOAT32).eval()
    parts = parts_of(network.merged(), values["image_size"])
    with new_folder(out, sum(tensor.nbytes for tensor in network.parameters())) as folder:
        _write_parts(parts, folder, kind, precision)
        difference = largest_difference(network, parts, folder, kind)
        require_small(difference, precision)
        write_tokenizer(network.tokenizer, folder / TOKENIZER)
        if kind == ONNX:
            shutil.copyfile(runtime.__file__, folder / "runtime.py")
        card = {
            "kind": kind,
            "precision": precision,
            "largest_difference": difference,
            "made_of": _origin(bundle, network, values["checkpoint"]),
            "parts": {name: part.facts() for name, part in parts.items()},
        }
        return write_card(folder, card, network.tokenizer, values)


def _require_choices(bundle: Path, out: Path, kind: str, precision: str) -> None:
    """Refuse before anything is loaded what cannot end well."""
    if kind not in KINDS or precision not in PRECISIONS:
        raise DataError(
            f"the format must be {' or '.join(map(repr, KINDS))} and the precision {' or '.join(map(repr, PRECISIONS))}"
            f", not {kind!r} and {precision!r}."
        )
    if kind == PT2 and precision != FLOAT32:
        raise DataError(f"the weights of {PT2!r} files are {FLOAT32}: for {precision!r} export to {ONNX!r}.")
    if out.resolve().is_relative_to(bundle.resolve()):
        raise DataError(f"{str(out)!r} lies in the bundle, which would not be shared or run with it: choose another.")
    if not is_free(out):
        raise DataError(f"{str(out)!r} is not empty. Nothing was changed: choose another folder, or remove it first.")
    if kind == ONNX:
        require_onnx()


def _write_parts(parts: Mapping[str, Part], folder: Path, kind: str, precision: str) -> None:
    for name, part in parts.items():
        program, path = record(part, name), folder / f"{name}.{kind}"
        if kind == ONNX:
            write_onnx(program, part, path, precision)
        else:
            write_pt2(program, path)


def _origin(bundle: Path, network: PromptedNetwork, checkpoint: str) -> dict[str, str]:
    """Return what the files were made of."""
    return {
        "bundle": bundle.resolve().name,
        "checkpoint_sha256": sha256_of(checkpoint),
        "method": network.method,
        "backbone": network.backbone_name,
        "backbone_fingerprint": network.backbone_fingerprint,
    }
