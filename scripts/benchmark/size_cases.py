"""What a user asks: how long an image or volume takes, and how much memory."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import GIB, Bench, Row, in_own_process, resident_peak
from PIL import Image
from sides import build_ours

from monai_vlsm.predictor import Predictor

SHAPES = ((352, 352), (1024, 1024), (3000, 4000), (256, 256, 32), (512, 512, 96))
"""Pictures (height, width) and volumes (width, height, slices), small first: the peak of memory only grows."""


def sizes(bench: Bench, precision: str) -> list[Row]:
    """Measure seconds, peak RAM and peak GPU memory per image or volume, file to mask, dense network, one process."""
    build_ours(bench, precision)
    rows = []
    for case in in_own_process(bench, "predict_files", precision=precision):
        rows.append(Row(f"{case['shape']}: file to mask", precision, "wall s", case["seconds"]))
        rows.append(Row(f"{case['shape']}: peak RAM of the process", precision, "GiB", case["ram"]))
        if bench.device == "cuda":
            rows.append(Row(f"{case['shape']}: peak GPU memory", precision, "GiB", case["gpu"]))
    return rows


def predict_files(bench: Bench, precision: str) -> list[dict[str, Any]]:
    """Predict a file of each shape in this process."""
    predictor = Predictor(build_ours(bench, precision), bench.device)
    predictor.set_image(np.zeros((32, 32), np.uint8)).predict("a mass")
    cases = []
    with tempfile.TemporaryDirectory() as folder:
        for shape in ((32, 32), (32, 32, 2)) if bench.toy else SHAPES:
            file = _write(Path(folder), shape)
            seconds = [_seconds(predictor, file) for _ in range(1 if len(shape) == 3 else 3)]
            gpu = torch.cuda.max_memory_allocated() / GIB if bench.device == "cuda" else 0.0
            named = " x ".join(map(str, shape))
            cases.append(
                {"shape": named, "seconds": statistics.median(seconds), "ram": resident_peak() / GIB, "gpu": gpu}
            )
    return cases


def _seconds(predictor: Predictor, file: Path) -> float:
    start = time.perf_counter()
    predictor.set_image(file).predict("a large round mass at the left")
    return time.perf_counter() - start


def _write(folder: Path, shape: tuple[int, ...]) -> Path:
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    if len(shape) == 2:
        file = folder / "picture.png"
        Image.fromarray(values).save(file, compress_level=1)
        return file
    import nibabel

    file = folder / "volume.nii"
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), file)
    return file
