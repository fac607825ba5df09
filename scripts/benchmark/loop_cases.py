"""What surrounds the network in ``train.json``: data loading, loss, postprocessing, metrics and handlers."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import cache, wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from bench import Bench, NotMeasured, Row
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser
from sides import backbone
from torch import nn

from monai_vlsm.data import load_datalist
from monai_vlsm.data.phantom import write_phantom

CONFIGS = Path(__file__).resolve().parents[2] / "bundles" / "phantom" / "configs"
EPOCHS = 3
"""The first one does not count."""


class DoNothing(nn.Module):
    """Gives one trained number for every pixel, of logits (B, 1, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.logit, self.compute_type = nn.Parameter(torch.zeros(())), torch.float32

    def forward(self, image: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        """Look at nothing but the size of ``image`` (B, 3, H, W)."""
        return self.logit.expand(len(image), 1, *image.shape[-2:])


class Stopwatch:
    """Counts the CPU seconds that functions take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``function``, its seconds counted."""

        @wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds += time.process_time() - start

        return timed


class Stamp:
    """Handler that notes CPU and wall seconds of every epoch; without what later handlers do at its end.

    Args:
        aside: whose CPU seconds are noted apart from the others of an epoch.
    """

    def __init__(self, aside: Stopwatch) -> None:
        self.epochs: list[tuple[float, float, float]] = []
        self._start, self._aside = (0.0, 0.0, 0.0), aside

    def attach(self, engine: Engine) -> None:
        """Register with an engine, before all other handlers."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._end)

    def medians(self) -> tuple[float, float, float]:
        """Return CPU seconds, wall seconds and CPU seconds aside of an epoch, but for the first."""
        cpu, wall, aside = zip(*self.epochs[1:], strict=True)
        return statistics.median(cpu), statistics.median(wall), statistics.median(aside)

    def _begin(self) -> None:
        self._start = self._now()

    def _end(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        cpu, wall, aside = (end - start for end, start in zip(self._now(), self._start, strict=True))
        self.epochs.append((cpu - aside, wall, aside))

    def _now(self) -> tuple[float, float, float]:
        return time.process_time(), time.perf_counter(), self._aside.seconds


class Run:
    """A training of the bundle ``phantom`` on images drawn for it, its epochs timed.

    Args:
        folder: for data set and results.
        images: drawn for training and validation.
        values: keys of ``train.json``.
    """

    def __init__(self, folder: Path, images: dict[str, int], **values: Any) -> None:
        write_phantom(folder / "data", images, progress=False)
        self.parser = ConfigParser()
        self.parser.read_config(str(CONFIGS / "train.json"))
        wrong = sorted(values.keys() - self.parser.get().keys())
        if wrong:
            raise NotMeasured(f"train.json of this version has no key {wrong[0]!r}")
        self.parser.update({"bundle_root": str(folder), "dataset_dir": str(folder / "data"), **values})
        self.aside = Stopwatch()
        self.training, self.validation = Stamp(self.aside), Stamp(self.aside)
        for key, stamp in (("train#handlers", self.training), ("validate#handlers", self.validation)):
            self.parser[key] = [stamp, *self.parser[key]]

    def __getitem__(self, key: str) -> Any:
        return self.parser.get_parsed_content(key)

    def train(self) -> None:
        """Run all epochs."""
        self["early_stop"].set_trainer(self["train#trainer"])
        self["train#trainer"].run()

    def entries(self, part: str) -> int:
        """Return the length of the data set of ``train`` or ``validate``."""
        return len(self[f"{part}#dataset"])


@cache
def _around_nothing(toy: bool) -> dict[str, tuple[float, float, float]]:
    """Return for training and validation milliseconds of the loop and of the loss per image, and images per second."""
    threads, images = (
        torch.get_num_threads(),
        {"training": 2, "validation": 2} if toy else {"training": 120, "validation": 60},
    )
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(
                Path(folder),
                images,
                network_def=DoNothing(),
                backbone="tiny",
                image_size=32 if toy else 352,
                batch_size=2 if toy else 32,
                max_epochs=EPOCHS,
                device=torch.device("cpu"),
            )
            loss, optimizer = run["loss"], run["optimizer"]
            loss.forward, optimizer.step = run.aside.around(loss.forward), run.aside.around(optimizer.step)
            with patch.object(torch.Tensor, "backward", run.aside.around(torch.Tensor.backward)):
                run.train()
    finally:
        torch.set_num_threads(threads)
    found = {}
    for part, stamp in (("train", run.training), ("validate", run.validation)):
        rest, _, aside = (1000 * seconds / run.entries(part) for seconds in stamp.medians())
        found[part] = rest, aside, 1000 / (rest + aside)
    return found


def training_loop(bench: Bench, precision: str) -> list[Row]:
    """Measure what the training loop costs around a network that does nothing, on one core, without the loss."""
    return _loop_rows(bench, "train", "training")


def validation_loop(bench: Bench, precision: str) -> list[Row]:
    """Measure the same of validation."""
    return _loop_rows(bench, "validate", "validation")


def _loop_rows(bench: Bench, part: str, word: str) -> list[Row]:
    host, loss, rate = _around_nothing(bench.toy)[part]
    return [
        Row(f"{word} loop per image, without network and loss", "", "CPU ms", host),
        Row(f"{word} loop: its loss per image", "", "CPU ms", loss),
        Row(f"{word} loop around nothing", "", "images/s", rate),
    ]


def cached_bytes(bench: Bench, precision: str) -> list[Row]:
    """Measure what the cache of the training set holds, per image and per entry."""
    with tempfile.TemporaryDirectory() as folder:
        size = bench.image_size
        run = Run(Path(folder), {"training": 4 if bench.toy else 40, "validation": 1}, image_size=size)
        dataset = run["train#dataset"]
        held = dict(_arrays(dataset, set()))
        images = len({entry["image"] for entry in load_datalist(Path(folder) / "data", "training")})
    total = sum(held.values()) / 1e6
    return [
        Row(f"cache per image of {size} x {size}", "", "MB", total / images),
        Row(f"cache per entry of {size} x {size}", "", "MB", total / len(dataset)),
    ]


def _arrays(thing: Any, seen: set[int]) -> Iterator[tuple[int, int]]:
    """Yield address and bytes of what is held in memory by a data set of MONAI or of this package."""
    if id(thing) in seen:
        return
    seen.add(id(thing))
    if isinstance(thing, torch.Tensor):
        yield thing.untyped_storage().data_ptr(), thing.untyped_storage().nbytes()
    elif isinstance(thing, np.ndarray):
        whole = thing if thing.base is None or not isinstance(thing.base, np.ndarray) else thing.base
        yield whole.ctypes.data, whole.nbytes
    elif isinstance(thing, dict | list | tuple):
        for part in thing.values() if isinstance(thing, dict) else thing:
            yield from _arrays(part, seen)
    elif type(thing).__module__.split(".")[0] in ("monai", "monai_vlsm"):
        yield from _arrays(vars(thing), seen)


def run_training(bench: Bench, precision: str) -> list[Row]:
    """Measure images per second of ``run training`` with the dense network and cached images, loop and all."""
    rate = 1 / _seconds_per_image(bench, precision, method="dense")[1]
    return [Row(f"run training, batch {bench.batch_size}", precision, "images/s", rate)]


def cached_features(bench: Bench, precision: str) -> list[Row]:
    """Compare epochs of ``shallow`` and ``decoder`` from cached features with those without, loop and all."""
    rows = []
    for method in ("shallow", "decoder"):
        cached = _seconds_per_image(bench, precision, method=method, cache_features=True)
        plain = _seconds_per_image(bench, precision, method=method)
        what, units = f"{method} epoch per image, from cached features against without", ("CPU s", "wall s")
        rows += [
            Row(what, precision, unit, own, other, own / other)
            for unit, own, other in zip(units, cached, plain, strict=True)
        ]
    return rows


def _seconds_per_image(bench: Bench, precision: str, **values: Any) -> tuple[float, float]:
    """Return CPU and wall seconds per entry of an epoch, but for the first."""
    scenes = bench.batch_size * (6 if bench.device == "cuda" else 2)  # of which each gives 1.6 entries
    with tempfile.TemporaryDirectory() as folder:
        run = Run(
            Path(folder),
            {"training": scenes, "validation": 1},
            backbone=backbone(bench.toy),
            batch_size=bench.batch_size,
            image_size=bench.image_size,
            max_epochs=EPOCHS,
            val_interval=EPOCHS,
            device=torch.device(bench.device),
            precision=precision,
            **values,
        )
        run.train()
        cpu, wall, _ = run.training.medians()
        return cpu / run.entries("train"), wall / run.entries("train")
