"""The recorded parts as files of ONNX or torch.export."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from monai_vlsm.errors import DataError
from monai_vlsm.exporting.parts import Part

KINDS = ONNX, PT2 = "onnx", "pt2"
PRECISIONS = FLOAT32, FLOAT16 = "float32", "float16"
OPSET = 20
_SMALL = 1024
"""Values of a tensor that stays float32: all biases and norms together are no part of the size."""


def require_onnx() -> None:
    """Raise a DataError that says what to install, unless ONNX files can be written and run."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime") if find_spec(name) is None]
    if missing:
        raise DataError(
            f"ONNX files are written with onnx, onnxscript and onnxruntime, and {missing[0]!r} is not installed: "
            'pip install "monai_vlsm[onnx]".'
        )


def write_onnx(program: ExportedProgram, part: Part, path: Path, precision: str = FLOAT32) -> None:
    """Write a part for the runtimes of ONNX.

    Args:
        program: of the part, see :func:`.record`.
        part: whose names the file gets.
        path: of the file.
        precision: in which weights are stored; they are computed with in float32.

    Raises:
        DataError: if a size became fixed that must be free, or a weight is too large for float16.
    """
    import onnx

    with quiet():
        converted = torch.onnx.export(
            program, input_names=list(part.inputs), output_names=[part.output], opset_version=OPSET, verbose=False
        )
    model = converted.model_proto  # type: ignore[union-attr]
    _name_free_axes(model.graph, part)
    _forget_sources(model)
    if precision == FLOAT16:
        _halve(model.graph)
    onnx.save(model, path)


def write_pt2(program: ExportedProgram, path: Path) -> None:
    """Write a part for ``torch.export.load``."""
    with quiet():
        torch.export.save(program, path)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what PyTorch tells of its own progress and missing packages off the screen."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _name_free_axes(graph: Any, part: Part) -> None:
    """Give the free axes the names that people read, and make sure that they are free."""
    found: dict[str, str] = {}
    for value in graph.input:
        for axis, name in part.free[value.name].items():
            size = value.type.tensor_type.shape.dim[axis]
            if not size.dim_param:
                raise DataError(f"the axis {name!r} of {value.name!r} was fixed at {size.dim_value} by PyTorch.")
            found[size.dim_param] = name
    for value in (*graph.input, *graph.output):
        for size in value.type.tensor_type.shape.dim:
            if size.dim_param:
                size.dim_param = found.get(size.dim_param, size.dim_param)


def _forget_sources(model: Any) -> None:
    """Take out where in our code each step comes from: folders of this machine are nobody's business."""
    del model.graph.value_info[:]
    for step in (*model.graph.node, *model.graph.initializer, *(n for f in model.functions for n in f.node)):
        del step.metadata_props[:]


def _halve(graph: Any) -> None:
    """Store large weights in float16, each with a step that makes it float32 again."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size <= _SMALL:
            continue
        name, stored = weight.name, f"{weight.name}_{FLOAT16}"
        with np.errstate(over="ignore"):
            halved = values.astype(np.float16)
        if not np.isfinite(halved).all():
            raise DataError(f"{name!r} holds values that are too large for float16: export in {FLOAT32}.")
        weight.CopyFrom(numpy_helper.from_array(halved, stored))
        casts.append(helper.make_node("Cast", [stored], [name], to=TensorProto.FLOAT))
    for cast in casts:
        graph.node.insert(0, cast)
