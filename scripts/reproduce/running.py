"""Train and test networks, each once: what is finished is known by its files and is not done again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai.bundle import run

from monai_vlsm.bundle import as_literal
from monai_vlsm.cluster import Surroundings, answer_to, cluster, each, pool
from monai_vlsm.data.whole import file_sha256, replace_whole
from monai_vlsm.errors import DataError, UserError
from monai_vlsm.reports.runs import Run, read_run
from reproduce.plan import Cell, fingerprint

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
MARKER = "reproduce.json"
"""Lies in the folder of a network, and of a test, and says of what settings it is."""


class Runner:
    """Trains and tests in folders below ``out``.

    Args:
        out: gets a folder per network, as a bundle has it: ``models/``, and ``eval/`` with a folder per test.
        folders: of the data sets, by name.
        values: of the configuration, for all networks and tests.
    """

    def __init__(self, out: Path, folders: Mapping[str, Path], values: Mapping[str, Any]) -> None:
        self.out = out
        self.folders = folders
        self.values = values
        self._fingerprints = {name: fingerprint(folder) for name, folder in folders.items()}

    def train(self, cell: Cell) -> bool:
        """Train a network, from where an earlier attempt stopped; tell whether there was something to do.

        Raises:
            DataError: if its folder holds one of other settings.
        """
        root, wanted = self.out / cell.name, self._wanted(cell)
        begun = _read_marker(root)
        if begun and begun.get("settings") != wanted:
            raise DataError(
                f"{str(root)!r} holds a network of other settings ({_change(begun, wanted)}): give another --out."
            )
        model = root / "models" / "model.pt"
        if begun.get("model") and model.is_file() and begun["model"] == file_sha256(model):
            return False
        _write_marker(root, {"settings": wanted, "model": None})
        stopped = begun.get("model") is None and (root / "eval" / "training_state.pt").is_file()
        self._run(cell, ("train",), "training", resume=stopped, dataset_dir=self._data(cell.dataset))
        _write_marker(root, {"settings": wanted, "model": file_sha256(model)})
        return True

    def test(self, cell: Cell, dataset: str, level: str) -> bool:
        """Evaluate a trained network on the test split of a data set; tell whether there was something to do."""
        if self.result(cell, dataset, level) is not None:
            return False
        folder = self.test_folder(cell, dataset, level)
        (folder / MARKER).unlink(missing_ok=True)
        values = {"dataset_dir": self._data(dataset), "prompt_level": level, "output_dir": str(folder)}
        self._run(cell, ("train", "evaluate"), "evaluating", **values)
        _write_marker(folder, self._wanted_test(cell, dataset))
        return True

    def result(self, cell: Cell, dataset: str, level: str) -> Run | None:
        """Return a finished test; None where it is not whole, or of other settings, weights or data."""
        folder = self.test_folder(cell, dataset, level)
        try:
            done = read_run(folder)
        except UserError:
            return None
        same = (done.settings.get("prompt_level"), done.settings.get("split")) == (level, "test")
        return done if same and _read_marker(folder) == self._wanted_test(cell, dataset) else None

    def test_folder(self, cell: Cell, dataset: str, level: str) -> Path:
        """Return the folder of a test."""
        return self.out / cell.name / "eval" / f"{dataset}_{level}"

    def _wanted(self, cell: Cell) -> dict[str, Any]:
        """Return what a network depends on, but for the versions of what computes it."""
        own = {"method": cell.method, "seed": cell.seed, "train_fraction": cell.fraction}
        return {"bundle": cell.dataset, "data": self._fingerprints[cell.dataset], **own, **self.values}

    def _wanted_test(self, cell: Cell, dataset: str) -> dict[str, Any]:
        model = _read_marker(self.out / cell.name).get("model")
        return {"settings": self._wanted(cell), "model": model, "data": self._fingerprints[dataset]}

    def _data(self, dataset: str) -> str:
        return str(self.folders[dataset].absolute())

    def _run(self, cell: Cell, configs: tuple[str, ...], run_id: str, **values: Any) -> None:
        own = {"method": cell.method, "seed": cell.seed, "train_fraction": cell.fraction}
        given = {**self.values, **own, **values, "bundle_root": str((self.out / cell.name).absolute())}
        files = [str(BUNDLES / cell.dataset / "configs" / f"{name}.json") for name in configs]
        # MONAI evaluates values, and folders may have any name.
        literals = {key: as_literal(value) if isinstance(value, str) else value for key, value in given.items()}
        run(run_id=run_id, config_file=files, **literals)


@dataclass(frozen=True)
class Part:
    """What is done by one process: a network, and its tests by data set and prompt level."""

    runner: Runner
    cell: Cell
    tests: Sequence[tuple[str, str]]


def finish(part: Part) -> bool:
    """Train and test a network; tell whether there was something to do."""
    print(f"{part.cell.name} ...", flush=True)
    trained = part.runner.train(part.cell)
    return any([trained, *(part.runner.test(part.cell, *test) for test in part.tests)])


def one_by_one(parts: Iterable[Part]) -> Iterator[tuple[Part, bool, str]]:
    """Finish networks in this process; yield each with what :func:`monai_vlsm.cluster.each` gives."""
    for part in parts:
        yield part, *answer_to(finish, part, Surroundings.here())


def by_ray(parts: Iterable[Part], address: str | None, workers: int | None) -> Iterator[tuple[Part, bool, str]]:
    """Finish networks in processes of a cluster, in any order."""
    with cluster(address):
        yield from each(finish, parts, pool(workers), Surroundings.here())


def _read_marker(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _write_marker(folder: Path, content: Mapping[str, Any]) -> None:
    with replace_whole(folder / MARKER) as part:
        part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _change(begun: Mapping[str, Any], wanted: Mapping[str, Any]) -> str:
    before = begun.get("settings")
    before = before if isinstance(before, dict) else {}
    key = next(key for key in {**wanted, **before} if wanted.get(key) != before.get(key))
    return f"{key} {before.get(key)!r}, not {wanted.get(key)!r}"
