"""What a user runs: the command ``predict``, and the evaluation of large pictures."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench import Bench, Row, in_turn, time_rows
from loop_cases import CONFIGS
from PIL import Image
from sides import build_ours

from monai_vlsm.data.datalist import write_datalist
from monai_vlsm.data.phantom import draw_phantom
from monai_vlsm.data.prompts import prompts_from_mask
from monai_vlsm.networks import build_network
from monai_vlsm.predicting.jobs import make_jobs
from monai_vlsm.predicting.local import run_local
from monai_vlsm.predicting.plan import Plan
from monai_vlsm.predicting.sources import find_sources
from monai_vlsm.predictor import Predictor

PICTURES = 41
"""For ``predict``; of 512 x 512."""
ARCHIVE = 200
"""Pictures that are segmented into files; with the network of the paper's size a twentieth of them."""
PROMPTS = ("cyst", "bright mass", "calf muscle", "a dark spot", "tumor at the left")
BEYOND_IMPORTS = """
import sys, time
import monai.bundle, monai.engines
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer
imported = time.process_time()
from monai_vlsm.__main__ import main
main(sys.argv[1:])
print(imported, time.process_time() - imported)
"""


def predict_command(bench: Bench, precision: str) -> list[Row]:
    """Time ``monai-vlsm predict`` on 41 pictures with the tiny backbone, beyond importing MONAI and transformers."""
    number, size = (2, 64) if bench.toy else (PICTURES, 512)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bundle = _trained_bundle(folder / "phantom")
        (folder / "images").mkdir()
        for index in range(number):
            _picture(index, (size, size))[0].save(folder / "images" / f"{index}.png")
        arguments = ["predict", str(folder / "images"), "--bundle", str(bundle), "--out", str(folder / "masks")]
        command = [sys.executable, "-c", BEYOND_IMPORTS, *arguments]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        imports, beyond = map(float, done.stdout.splitlines()[-1].split())
    return [
        Row(f"predict on {number} pictures of {size} x {size}, beyond the imports", "", "CPU s", beyond),
        Row("importing MONAI and transformers", "", "CPU s", imports),
    ]


def archive(bench: Bench, precision: str) -> list[Row]:
    """Time segmenting pictures of 512 x 512 into files, beside the predictor alone, and five prompts beside one."""
    number, size = (2, 64) if bench.toy else (ARCHIVE, 512)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "images").mkdir()
        for index in range(number):
            _picture(index, (size, size))[0].save(folder / "images" / f"{index}.png")
        files = sorted((folder / "images").iterdir())
        rows = _archive_rows("tiny", Predictor(build_network("dense", "tiny"), bench.device), files, bench, precision)
        if not bench.toy:
            large = Predictor(build_ours(bench, precision), bench.device)
            rows += _archive_rows("the paper's size", large, files[: number // 20], bench, precision)
    return rows


def _archive_rows(name: str, predictor: Predictor, files: list[Path], bench: Bench, precision: str) -> list[Row]:
    predictor.min_presence = 0.0
    plan = Plan(out=str(files[0].parents[1] / "masks"), bundle="", overwrite=True)
    sources = find_sources(files)

    def alone() -> None:
        for file in files:
            predictor.set_image(file).predict(PROMPTS[0])

    def to_files(prompts: int) -> None:
        run_local(make_jobs(sources, PROMPTS[:prompts]), plan, predictor)

    what = f"{len(files)} images, {name}"
    bare, one, five = in_turn(bench, alone, lambda: to_files(1), lambda: to_files(5))
    rows = time_rows(bench, f"{what}: into files, beside the predictor alone", precision, one, bare)
    return rows + time_rows(bench, f"{what}: 5 prompts, beside one", precision, five, one)


def evaluation(bench: Bench, precision: str) -> list[Row]:
    """Time the evaluation of pictures of 3000 x 4000 with the tiny backbone: metrics, report and overlays."""
    from monai.bundle import ConfigParser

    number, height, width = (2, 60, 80) if bench.toy else (6, 3000, 4000)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _write_large(folder / "data", number, (height, width))
        parser = ConfigParser()
        parser.read_config([str(CONFIGS / f"{name}.json") for name in ("train", "evaluate")])
        values: dict[str, Any] = {
            "bundle_root": str(folder),
            "dataset_dir": str(folder / "data"),
            "output_dir": str(folder / "eval"),
            "zero_shot": True,
            "backbone": "tiny",
            "overlays": number // 3,
            "device": torch.device("cpu"),
        }
        parser.update(values)
        evaluator = parser.get_parsed_content("validate#evaluator")
        start = time.process_time()
        evaluator.run()
        total = time.process_time() - start
    return [Row(f"evaluation of a picture of {height} x {width}", "", "CPU s", total / number)]


def _trained_bundle(folder: Path) -> Path:
    shutil.copytree(CONFIGS.parent, folder, ignore=shutil.ignore_patterns("eval", "models"))
    (folder / "models").mkdir()
    torch.save({"model": build_network("dense", "tiny").state_dict()}, folder / "models" / "model.pt")
    return folder


def _picture(index: int, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """Return a drawn picture in RGB and its mask, of ``size`` (height, width)."""
    scene = draw_phantom(np.random.default_rng(index))
    mask = np.logical_or.reduce(list(scene.masks.values()))
    wide = size[::-1]
    image = Image.fromarray(scene.image).convert("RGB").resize(wide, Image.Resampling.BILINEAR)
    return image, Image.fromarray(mask.astype(np.uint8) * 255).resize(wide, Image.Resampling.NEAREST)


def _write_large(folder: Path, number: int, size: tuple[int, int]) -> None:
    entries = []
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for index in range(number):
        image, mask = _picture(index, size)
        image.save(folder / "images" / f"{index}.jpg", quality=90)
        mask.save(folder / "masks" / f"{index}.png")
        prompts = prompts_from_mask(np.asarray(mask) > 0, "cyst")
        entries.append({"image": f"images/{index}.jpg", "label": f"masks/{index}.png", "prompts": prompts})
    write_datalist(folder, {"training": [], "validation": [], "test": entries})
