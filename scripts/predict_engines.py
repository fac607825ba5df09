"""How many images a second ``predict`` does in one process, and with one and two workers of Ray, on drawn images."""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from monai_vlsm.data.phantom import draw_phantom
from monai_vlsm.networks import CLIPSegDenseAdapter

ROOT = Path(__file__).resolve().parents[1]
ENGINES = {
    "one process, 1 thread": ("--threads", "1"),
    "one process, 2 threads": ("--threads", "2"),
    "Ray, 1 worker": ("--engine", "ray", "--workers", "1"),
    "Ray, 2 workers": ("--engine", "ray", "--workers", "2"),
}
SIZE = (512, 512)  # width and height in pixels


def write_inputs(folder: Path, number: int) -> None:
    """Draw images, and make a bundle on ``tiny`` with adapters as they are before training."""
    (folder / "images").mkdir()
    for index in range(number):
        picture = Image.fromarray(draw_phantom(np.random.default_rng(index)).image).resize(SIZE)
        picture.save(folder / "images" / f"{index}.png")
    shutil.copytree(ROOT / "bundles" / "phantom", folder / "bundle", ignore=shutil.ignore_patterns("eval", "models"))
    (folder / "bundle" / "models").mkdir()
    torch.manual_seed(0)
    torch.save({"model": CLIPSegDenseAdapter("tiny").state_dict()}, folder / "bundle" / "models" / "model.pt")


def measure(folder: Path, name: str, options: tuple[str, ...]) -> str:
    """Return a row: seconds from start to end, images a second between the first and the last record, their masks."""
    out = folder / name
    command = [sys.executable, "-m", "monai_vlsm", "predict", str(folder / "images"), "--out", str(out)]
    start = time.perf_counter()
    subprocess.run([*command, "--bundle", str(folder / "bundle"), "--overlays", "0", *options], check=True)
    seconds = time.perf_counter() - start
    ends = sorted(path.stat().st_mtime for path in (out / ".records").glob("*.json"))
    digest = hashlib.sha256(b"".join(mask.read_bytes() for mask in sorted(out.glob("*_mask.png")))).hexdigest()
    return f"| {name} | {seconds:.1f} | {(len(ends) - 1) / (ends[-1] - ends[0]):.2f} | {digest[:8]} |"


def main() -> None:
    """Print a row for each engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=200, help="default: %(default)s")
    number = parser.parse_args().images
    with tempfile.TemporaryDirectory() as name:
        write_inputs(Path(name), number)
        for engine, options in ENGINES.items():
            print(measure(Path(name), engine, options), flush=True)


if __name__ == "__main__":
    main()
