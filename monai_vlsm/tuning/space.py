"""What is searched: keys of a bundle's training, each with choices or a range. Space files may come from strangers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from monai_vlsm.bundle.files import parse_json, read_file
from monai_vlsm.bundle.released import is_plain, released
from monai_vlsm.errors import DataError
from monai_vlsm.networks import METHODS, build_network, load_backbone
from monai_vlsm.networks.nets.image_only import require_package
from monai_vlsm.rules import require_value, shortened

if TYPE_CHECKING:
    from optuna import Trial

DEFAULT = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "weight_decay": {"low": 1e-5, "high": 1e-1, "log": True},
    "bottleneck": [16, 64, 256],
    "lora_rank": [4, 8, 16],
    "contexts": [4, 8, 16],
}
"""Searched where nobody says what; of the settings of networks those that the method has."""
_OWN = {
    "bundle_name": "it names results",
    "bundle_root": "each trial has a folder of its own",
    "cache_dir": "each trial has a folder of its own",
    "dataset_dir": "results on other images cannot be compared; give it with --data",
    "output_dir": "each trial has a folder of its own",
    "resume": "an interrupted trial is always resumed",
}
"""Keys that are not searched, and why."""
_ASKED = ("prompt", "val_prompt_level")
"""Keys that say what a validation asks; other questions have another Dice."""
_MOST_CHOICES = 1000
_SETTINGS = {name for method in METHODS.values() for name in method.settings}
"""Keys that only some methods have."""


@dataclass(frozen=True)
class Choices:
    """Values to choose from; a single one is fixed."""

    values: tuple[Any, ...]

    @property
    def extremes(self) -> tuple[Any, Any]:
        """Return the smallest and the largest one; null is left out where there are others."""
        known = [value for value in self.values if value is not None] or [None]
        return min(known), max(known)

    def has(self, value: Any) -> bool:
        """Tell whether a value is one of them; true is not 1."""
        return any(type(value) is type(one) and value == one for one in self.values)

    def draw(self, trial: Trial, key: str) -> Any:
        """Return the value of a trial."""
        return self.values[0] if len(self.values) == 1 else trial.suggest_categorical(key, self.values)


@dataclass(frozen=True)
class Range:
    """Numbers from ``low`` to ``high``, both included, whole ones where both are; ``log`` prefers no magnitude."""

    low: float
    high: float
    log: bool = False

    @property
    def extremes(self) -> tuple[float, float]:
        """Return the bounds."""
        return self.low, self.high

    def has(self, value: Any) -> bool:
        """Tell whether a value lies between the bounds."""
        return type(value) in (int, float) and self.low <= value <= self.high

    def draw(self, trial: Trial, key: str) -> float:
        """Return the value of a trial."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(key, self.low, self.high, log=self.log)
        return trial.suggest_float(key, self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Space:
    """Keys and what each may be.

    Args:
        keys: by name.
        config: of the bundle, which says what counts for all others.
    """

    keys: Mapping[str, Choices | Range]
    config: Mapping[str, Any]

    @property
    def methods(self) -> tuple[str, ...]:
        """Return all methods that trials may have."""
        chosen = self.keys.get("method")
        return chosen.values if isinstance(chosen, Choices) else (self.config["method"],)

    @property
    def varied(self) -> dict[str, Choices | Range]:
        """Return what differs between trials."""
        return {key: part for key, part in self.keys.items() if isinstance(part, Range) or len(part.values) > 1}

    def draw(self, trial: Trial) -> dict[str, Any]:
        """Return the values of a trial, which are always the same for the same one."""
        chosen = {key: self.keys[key].draw(trial, key) for key in ("method",) if key in self.keys}
        method = self.method_of(chosen)
        others = {key: part for key, part in self.keys.items() if key not in chosen and fits(key, method)}
        drawn = {key: part.draw(trial, key) for key, part in others.items()}
        return {**chosen, **drawn, **self.without_foreign(method)}

    def method_of(self, values: Mapping[str, Any]) -> str:
        """Return the method of a trial that has these values."""
        return str(values.get("method", self.config["method"]))

    def without_foreign(self, method: str) -> dict[str, None]:
        """Return those settings of the bundle that a method does not have, as null, which leaves them out."""
        return {key: None for key in sorted(_SETTINGS) if self.config.get(key) is not None and not fits(key, method)}

    def told(self) -> dict[str, Any]:
        """Return the space as its file has it."""
        return {
            key: list(part.values) if isinstance(part, Choices) else asdict(part) for key, part in self.keys.items()
        }


def fits(key: str, method: str) -> bool:
    """Tell whether a key means something where a method is trained."""
    return key not in _SETTINGS or key in METHODS[method].settings


def read_space(path: str | Path | None, config: Mapping[str, Any]) -> Space:
    """Return what a file wants to be searched.

    Args:
        path: of a JSON file: keys of ``train.json``, each with a list of choices, a range ``{"low": 1e-4, "high": 1e-2,
            "log": true}``, or a single value for all trials. None is :data:`DEFAULT`.
        config: of the bundle's training.

    Raises:
        MissingFileError: if there is no such file.
        DataError: if a trial could not run, because of what key.
    """
    source = "the default space" if path is None else repr(str(path))
    content = DEFAULT if path is None else parse_json(read_file(path), path)
    try:
        parts = {key: _part(key, value, config) for key, value in content.items()}
        space = Space(parts, config)
        _require_methods(space)
        if path is None:
            parts = {key: part for key, part in parts.items() if any(fits(key, name) for name in space.methods)}
            space = Space(parts, config)
        _require_fitting(space)
    except DataError as error:
        raise DataError(f"{source}: {error}") from error
    return space


def require_buildable(space: Space) -> None:
    """Build the smallest and the largest network of each method that has settings, without memory.

    Raises:
        UserError: as the network or its backbone raises it, which would be raised in a trial.
    """
    for method in space.methods:
        require_package(method)
    named = space.keys.get("backbone")
    for backbone in map(load_backbone, named.values if isinstance(named, Choices) else [space.config["backbone"]]):
        for method in space.methods:
            fitting = {key: part.extremes for key, part in space.keys.items() if key in METHODS[method].settings}
            for end in (0, 1) if METHODS[method].settings else ():
                settings: dict[str, Any] = {key: extremes[end] for key, extremes in fitting.items()}
                with torch.device("meta"):
                    build_network(method, backbone, **settings)


def _part(key: str, value: Any, config: Mapping[str, Any]) -> Choices | Range:
    known = released("train.json")
    rules = known.rules
    if key in _OWN:
        raise DataError(f"{key!r} cannot be searched: {_OWN[key]}.")
    if key not in config or key not in rules:
        near = get_close_matches(key, [name for name in rules if name in config and name not in _OWN], 1)
        raise DataError(f"the training has no key {shortened(key)}{f': did you mean {near[0]!r}?' if near else ''}.")
    part = _range(key, value) if isinstance(value, dict) else _choices(key, value)
    tried = part.values if isinstance(part, Choices) else _tried(part)
    if key == "device" and any(":" in str(one) for one in tried):
        raise DataError("'device' must be 'cpu' or 'cuda': Ray deals out the GPUs, a trial knows its own alone.")
    for one in tried:
        if one is not None or not known.has((key,), None):
            require_value(rules[key], one, key)
    return part


def _choices(key: str, value: Any) -> Choices:
    values = value if isinstance(value, list) else [value]
    if not 0 < len(values) <= _MOST_CHOICES:
        raise DataError(f"{key!r} has {len(values):,} choices: give 1 to {_MOST_CHOICES:,}.")
    for number, one in enumerate(values):
        if isinstance(one, list | dict) or not is_plain(one):
            raise DataError(
                f"{key!r} has the choice {shortened(one)}: expected numbers, texts, true, false or null, and no code."
            )
        if one in values[:number]:
            raise DataError(f"{key!r} has the choice {shortened(one)} twice.")
    return Choices(tuple(values))


def _range(key: str, value: Mapping[str, Any]) -> Range:
    if not {"low", "high"} <= value.keys() <= {"low", "high", "log"}:
        raise DataError(f'{key!r} must be a list, or a range {{"low": 1, "high": 9, "log": true}}, not {dict(value)}.')
    low, high, log = value["low"], value["high"], value.get("log", False)
    if type(low) not in (int, float) or type(high) not in (int, float) or type(log) is not bool or not low < high:
        raise DataError(f"{key!r}: expected numbers 'low' < 'high', and 'log' true or false, not {dict(value)}.")
    if log and low <= 0:
        raise DataError(f"{key!r}: a range with 'log' begins above 0, not at {low}.")
    return Range(low, high, log)


def _tried(part: Range) -> tuple[float, ...]:
    """Return values of a range that show whether it can be used: a key may take only multiples."""
    return (part.low, part.low + 1, part.high) if isinstance(part.low, int) else (part.low, part.high)


def _require_methods(space: Space) -> None:
    for method in space.methods:
        if method not in METHODS or method == "zero_shot":
            known = ", ".join(name for name in METHODS if name != "zero_shot")
            raise DataError(f"there is no method {method!r} that is trained, choose of {known}.")


def _require_fitting(space: Space) -> None:
    for key in space.keys:
        if not any(fits(key, method) for method in space.methods):
            raise DataError(
                f"{key!r} is no setting of the method {' or '.join(map(repr, space.methods))}: leave it out."
            )
    _require_same_questions(space)
    if not space.varied:
        raise DataError('there is nothing to search: give a key several choices, or a range with "low" and "high".')


def _require_same_questions(space: Space) -> None:
    """Refuse to compare validations that ask for different things."""
    for key in _ASKED:
        if key in space.varied:
            raise DataError(f"{key!r} can be one value for all trials, not searched: Dice of other prompts is another.")
    follows = str(space.config.get("val_prompt_level", "$")).startswith("$") and "val_prompt_level" not in space.keys
    if "prompt_level" in space.varied and follows:
        raise DataError(
            '\'prompt_level\' changes what validations ask, too: give "val_prompt_level" one value, such as "p1", and '
            "trials can be compared."
        )
