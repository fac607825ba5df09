"""All that an interrupted training needs to go on exactly."""

from __future__ import annotations

import logging
import os
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import numpy as np
import torch
from ignite.engine import Engine, Events
from monai.data.utils import set_rnd

from monai_vlsm.errors import DataError

_logger = logging.getLogger("monai_vlsm")


class TrainingState:
    """Save after every epoch all that the run consists of, and go on from there after an interruption.

    Saved are the objects given, epoch and best metric of the engines, and the states of all random generators. The
    random transforms of the training data are seeded anew from these at the start of every epoch.

    Args:
        path: of the file; written to a temporary file first, then renamed.
        objects: by name: network, optimizer, scheduler, handlers ..., each with ``state_dict`` and ``load_state_dict``.
        evaluator: whose best metric counts; the trainer is the engine that this is attached to.
        dataset: whose random transforms are seeded.
        resume: whether to go on from ``path``; without the file, training starts from the beginning.

    Raises:
        DataError: if the file is damaged or belongs to another run.
    """

    def __init__(
        self,
        path: str | Path,
        objects: Mapping[str, Any],
        evaluator: Engine,
        dataset: Any,
        resume: bool = False,
    ) -> None:
        self.path = Path(path)
        self.objects = dict(objects)
        self.engines = {"evaluator": evaluator}
        self.dataset = dataset
        self.resume = resume

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer; last of its handlers, so that validation comes before saving."""
        self.engines["trainer"] = engine
        if getattr(engine, "scaler", None) is not None:
            self.objects["scaler"] = engine.scaler  # type: ignore[attr-defined]
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._seed_transforms)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)

    def _start(self, engine: Engine) -> None:
        if not self.resume:
            return
        if not self.path.exists():
            _logger.warning(f"Nothing to resume: there is no {str(self.path)!r}. Training starts from epoch 1.")
            return
        try:
            saved = torch.load(self.path, map_location="cpu", weights_only=True)
            for name, item in self.objects.items():
                _unwrapped(item).load_state_dict(saved["objects"][name])
            for name, item in self.engines.items():
                vars(item.state).update(saved["engines"][name])
            _set_random_states(saved["random"])
        except Exception as error:  # a damaged file can raise anything: RuntimeError, KeyError, EOFError, OSError ...
            raise DataError(f"training cannot go on from {str(self.path)!r}: {error}") from error
        _logger.info(f"Resumed from {str(self.path)!r}, {engine.state.epoch} epochs are done.")
        if saved["stopped"]:
            _logger.info("Training had stopped early: there is nothing to do.")
            engine.terminate()

    def _seed_transforms(self, engine: Engine) -> None:
        set_rnd(self.dataset, int(torch.randint(2**31, ()).item()))

    def _save(self, engine: Engine) -> None:
        if idist.get_rank() != 0:
            return
        state = {
            "objects": {name: _unwrapped(item).state_dict() for name, item in self.objects.items()},
            "engines": {name: _engine_state(item) for name, item in self.engines.items()},
            "random": _random_states(),
            "stopped": engine.should_terminate,
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial = self.path.with_name(self.path.name + ".partial")
        torch.save(state, partial)
        os.replace(partial, self.path)


def _unwrapped(item: Any) -> Any:
    return getattr(item, "module", item)


def _engine_state(engine: Engine) -> dict[str, Any]:
    names: Iterable[str] = ("epoch", "iteration", "best_metric", "best_metric_epoch")
    return {name: getattr(engine.state, name) for name in names}


def _random_states() -> dict[str, Any]:
    name, keys, *rest = np.random.get_state()
    return {
        "python": random.getstate(),
        "numpy": (str(name), torch.from_numpy(np.asarray(keys, dtype=np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def _set_random_states(states: Mapping[str, Any]) -> None:
    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
