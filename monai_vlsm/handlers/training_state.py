"""All that an interrupted training needs to go on exactly."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ignite.distributed as idist
import torch
from ignite.engine import Engine, Events
from ignite.utils import manual_seed

from monai_vlsm.data.whole import remove_abandoned
from monai_vlsm.datasets.seeded_cache_dataset import SeededCacheDataset, mix_seeds
from monai_vlsm.errors import DataError
from monai_vlsm.handlers.made_with import made_with
from monai_vlsm.networks.saving import save_whole
from monai_vlsm.networks.torch_file import read_torch_file

_FORMAT = 2
_OLD_NAME = "batch_size times number of processes"
"""Of ``batch_size`` in 0.2.0, when each process had a batch of its own."""
_BEFORE = {"augment": "none", "negative_fraction": 0}
"""What counted before there was such a setting, for states that do not hold it; of a setting of a method it is None."""
_logger = logging.getLogger("monai_vlsm")


class TrainingState:
    """Save after every epoch all that the run consists of, and go on from there after an interruption.

    At the start of every epoch all random generators are seeded with what follows from the seed of the run and the
    number of the epoch, so that neither an interruption nor the number of processes that load data changes anything.

    Args:
        path: of the file; an older one of another run is renamed to ``NAME.older.pt``.
        objects: by name: network, optimizer, lr_scheduler, early_stop ..., each with ``state_dict`` and
            ``load_state_dict``.
        evaluator: whose best metric counts; the trainer is the engine that this is attached to.
        dataset: whose random transforms are seeded.
        settings: of the run, by name. When training goes on, ``ADJUSTABLE`` ones may have changed and are applied, all
            others must be as they were.
        resume: whether to go on from ``path``; without the file, training starts from the beginning.

    Raises:
        DataError: if the file is damaged, belongs to another run or was made with other settings, or cannot be written.
    """

    def __init__(
        self,
        path: str | Path,
        objects: Mapping[str, Any],
        evaluator: Engine,
        dataset: SeededCacheDataset,
        settings: Mapping[str, Any] | None = None,
        resume: bool = False,
    ) -> None:
        self.path = Path(path)
        self.objects = dict(objects)
        self.evaluator = evaluator
        self.dataset = dataset
        self.settings = dict(settings or {})
        self.resume = resume
        self._seed = 0
        self._made_with: dict[str, Any] = {}
        self._is_own = False

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer; last of its handlers, so that validation comes before saving."""
        if getattr(engine, "scaler", None) is not None:
            self.objects["scaler"] = engine.scaler  # type: ignore[attr-defined]
        engine.add_event_handler(Events.STARTED, self._start)
        engine.add_event_handler(Events.EPOCH_STARTED, self._seed_epoch)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._save)
        engine.add_event_handler(Events.COMPLETED, self._tell_end)

    def _start(self, engine: Engine) -> None:
        if idist.get_rank() == 0:
            remove_abandoned(self.path, seconds=0)
        self._seed = torch.initial_seed()
        self.settings |= _measured(engine, self.dataset)
        self._made_with = made_with(engine.state.device)  # type: ignore[attr-defined]
        if self.resume and self._all_have_it():
            self._resume(engine)
        elif self.resume:
            _logger.warning(f"Nothing to resume: there is no {str(self.path)!r}. Training starts from epoch 1.")

    def _all_have_it(self) -> bool:
        """Tell whether there is a file, for all processes or for none."""
        processes = idist.get_world_size()
        having = idist.all_reduce(int(self.path.exists()))
        if having not in (0, processes):
            raise DataError(
                f"{having} of {processes} processes find {str(self.path)!r}, and all of them need it to go on. Give "
                "all machines one folder for the bundle, or copy the file to each of them."
            )
        return bool(having)

    def _resume(self, engine: Engine) -> None:
        try:
            saved = read_torch_file(self.path)
            _require_format(saved)
            _rename(saved["settings"])
            self._require_equal_settings(saved["settings"])
            self._load(engine, saved)
        except Exception as error:  # a damaged file can raise anything: RuntimeError, KeyError, EOFError, OSError ...
            raise DataError(f"training cannot go on from {str(self.path)!r}: {error}") from error
        self._apply_settings(saved["settings"])
        self._is_own = True
        _logger.info(
            f"Resumed from {str(self.path)!r}, {engine.state.epoch} of {engine.state.max_epochs} epochs are done."
        )
        if any(getattr(item, "is_exhausted", False) for item in self.objects.values()):
            _logger.info("Training had stopped early: there is nothing to do, unless early_stop_patience is raised.")
            engine.terminate()

    def _require_equal_settings(self, saved: Mapping[str, Any]) -> None:
        names = [name for name in {**saved, **self.settings} if name not in ADJUSTABLE]
        pairs = [(name, saved.get(name, _BEFORE.get(name)), self.settings.get(name)) for name in names]
        different = [f"{name} was {before!r} and is {now!r}" for name, before, now in pairs if before != now]
        if different:
            raise DataError(
                f"it was made with other settings: {'; '.join(different)}. Give the settings that it had, or start "
                "anew, without --resume True. These may change: " + ", ".join(ADJUSTABLE) + "."
            )

    def _load(self, engine: Engine, saved: Mapping[str, Any]) -> None:
        for name, item in self.objects.items():
            # A run without mixed precision has no scaler, or an empty one, and may go on with it.
            if name != "scaler" or saved["objects"].get(name):
                _unwrapped(item).load_state_dict(saved["objects"][name])
        self._seed = int(saved["seed"])
        engine.state.epoch = int(saved["epoch"])
        engine.state.iteration = engine.state.epoch * int(engine.state.epoch_length or 0)
        vars(self.evaluator.state).update(
            best_metric=float(saved["best_metric"]), best_metric_epoch=int(saved["best_metric_epoch"])
        )

    def _apply_settings(self, saved: Mapping[str, Any]) -> None:
        for name, apply in ADJUSTABLE.items():
            if name in self.settings and saved.get(name) != self.settings[name]:
                _logger.info(f"{name} was {saved.get(name)!r} and is {self.settings[name]!r} from now on.")
                apply(self.objects, self.settings[name])

    def _seed_epoch(self, engine: Engine) -> None:
        seed = mix_seeds(self._seed, engine.state.epoch)
        manual_seed(seed)
        self.dataset.seed_items(seed)

    def _save(self, engine: Engine) -> None:
        if idist.get_rank() != 0:
            return
        if not self._is_own:
            self._keep_older()
        state = {
            "format": _FORMAT,
            "settings": self.settings,
            "made_with": self._made_with,
            "seed": self._seed,
            "epoch": engine.state.epoch,
            **{name: vars(self.evaluator.state)[name] for name in ("best_metric", "best_metric_epoch")},
            "objects": {name: _unwrapped(item).state_dict() for name, item in self.objects.items()},
        }
        save_whole(state, self.path)

    def _tell_end(self, engine: Engine) -> None:
        """Say how good the best model is, and where it lies."""
        best: Any = self.evaluator.state
        if idist.get_rank() != 0 or "best_model" not in self.objects:
            return
        ended = f"Training ended after {engine.state.epoch} of {engine.state.max_epochs} epochs."
        if best.best_metric_epoch < 1:
            _logger.warning(f"{ended} It was never validated, so it has no best model.")
            return
        _logger.info(
            f"{ended} The best model, {best.key_metric_name} {best.best_metric:.4f} in epoch {best.best_metric_epoch}, "
            f"is {str(self.objects['best_model'].path)!r}. The workflow 'evaluating' says how good it is."
        )

    def _keep_older(self) -> None:
        if self.path.exists():
            older = self.path.with_suffix(f".older{self.path.suffix}")
            self.path.replace(older)
            _logger.warning(f"The state of an earlier training is kept as {str(older)!r} until the next one begins.")
        self._is_own = True


def _set_in_optimizer(name: str) -> Callable[[Mapping[str, Any], Any], None]:
    def apply(objects: Mapping[str, Any], value: float) -> None:
        for group in objects["optimizer"].param_groups:
            group[name] = value

    return apply


def _set_in_scheduler(name: str) -> Callable[[Mapping[str, Any], Any], None]:
    return lambda objects, value: setattr(objects["lr_scheduler"], name, value)


def _is_already_applied(objects: Mapping[str, Any], value: Any) -> None:
    """Do nothing: what was saved does not hold it, so it is what the run was started with."""


ADJUSTABLE: dict[str, Callable[[Mapping[str, Any], Any], None]] = {
    "max_epochs": _is_already_applied,
    "early_stop_patience": _is_already_applied,
    "min_delta": _is_already_applied,
    "learning_rate": _set_in_optimizer("lr"),
    "weight_decay": _set_in_optimizer("weight_decay"),
    "lr_factor": _set_in_scheduler("factor"),
    "lr_patience": _set_in_scheduler("patience"),
    "precision": _is_already_applied,
}
"""Settings that may change when training goes on, and how each is applied to the objects."""


def _measured(engine: Engine, dataset: SeededCacheDataset) -> dict[str, int]:
    """Return what else must be as it was, for the epochs to be the same."""
    loader: Any = engine.data_loader  # type: ignore[attr-defined]
    return {
        "number of training images": len(dataset),
        "batch_size": loader.batch_sampler.batch_size,
        "steps per epoch": int(engine.state.epoch_length or 0),
    }


def _require_format(saved: Any) -> None:
    if isinstance(saved, Mapping) and {"objects", "engines", "random"} <= set(saved):
        raise DataError(
            "it was written by monai_vlsm 0.1.0, which did not save the settings of a run. Finish it with that "
            "version, or start anew, without --resume True."
        )
    if not isinstance(saved, Mapping) or saved.get("format") != _FORMAT:
        raise DataError("it is no training state of this version. Start anew, without --resume True.")


def _rename(settings: dict[str, Any]) -> None:
    """Give what 0.2.0 saved its name of today."""
    if _OLD_NAME in settings:
        settings["batch_size"] = settings.pop(_OLD_NAME)


def _unwrapped(item: Any) -> Any:
    return getattr(item, "module", item)
