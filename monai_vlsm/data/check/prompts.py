"""Checks of the prompts of a data set, and of what they share out: classes, empty masks, sizes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from monai_vlsm.data.check.files import Entries, FileFacts, Finding
from monai_vlsm.data.prompts import MAX_TOKENS

_DIFFERENT = 0.2
_ENOUGH = 10
_RARE = 0.05
_SMALL = 0.0005
_FULL = 0.95


def check_prompts(
    entries: Entries, files: FileFacts, count_tokens: Callable[[Sequence[str]], list[int]]
) -> Iterable[Finding]:
    """Find prompts that are empty, missing, cut, or say something else than the mask."""
    empty, without, against = [], [], []
    texts: dict[str, str] = {}
    for split, items in entries.items():
        for entry in items:
            where = f"{split}: {entry['label']}"
            for level, sentences in entry["prompts"].items():
                if level != "p0":
                    empty += [f"{where}, {level}"] if "" in sentences else []
                    texts |= dict.fromkeys(sentences, f"{where}, {level}")
            without += [] if "p1" in entry["prompts"] else [where]
            against += [f"{where}: {text}" for text in _against(entry, files.foreground.get(entry["label"]))]
    if empty:
        yield Finding("error", "empty prompts above level p0, with which training would learn nothing", tuple(empty))
    if without:
        yield Finding("error", "entries without level p1, which validation and evaluation use", tuple(without))
    if against:
        text = "prompts that say something else than the mask ('no ...' goes with an empty mask)"
        yield Finding("warning", text, tuple(against))
    sizes = zip(texts.items(), count_tokens(list(texts)), strict=True)
    long = [f"{where}: {size} tokens, {text[:60]!r} ..." for (text, where), size in sizes if size > MAX_TOKENS]
    if long:
        text = f"prompts of more than {MAX_TOKENS} tokens, of which the rest is cut; shorten them"
        yield Finding("warning", text, tuple(long))


def check_balance(entries: Entries, files: FileFacts) -> Iterable[Finding]:
    """Find splits and classes that are empty, rare or unlike the others, and masks of a strange size."""
    missing = [split for split, items in entries.items() if not items]
    if missing:
        yield Finding("warning", f"splits without entries: {', '.join(missing)}")
    shares = {split: _empty_share(items, files) for split, items in entries.items() if len(items) >= _ENOUGH}
    if shares and max(shares.values()) - min(shares.values()) > _DIFFERENT:
        listed = ", ".join(f"{share:.0%} in {split}" for split, share in shares.items())
        yield Finding("warning", f"the share of empty masks differs between splits: {listed}")
    yield from _check_classes(count_classes(entries))
    extreme = {
        f"masks under {_SMALL:.2%} of the image, of which little is left at the network's resolution": (0, _SMALL),
        f"masks over {_FULL:.0%} of the image: are they inverted?": (_FULL, 1.01),
    }
    for text, (low, high) in extreme.items():
        found = tuple(f"{path} ({share:.3%})" for path, share in files.foreground.items() if low < share < high)
        if found:
            yield Finding("warning", text, found)


def count_classes(entries: Entries) -> dict[str, dict[str, int]]:
    """Return class -> split -> number of entries; a class is the first sentence of p1, without its "no"."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(entries, 0))
    for split, items in entries.items():
        for entry in items:
            if "p1" in entry["prompts"]:
                counts[entry["prompts"]["p1"][0].lower().removeprefix("no ")][split] += 1
    return dict(counts)


def _against(entry: Mapping[str, Any], share: float | None) -> Iterable[str]:
    """Say where a prompt denies what the mask shows, or describes what it does not show; p1 only names the class."""
    said = {level: texts[0] for level, texts in entry["prompts"].items() if level != "p0" and texts[0]}
    denied = {level: text.lower().startswith("no ") for level, text in said.items()}
    if share is None:
        return
    for level, text in said.items():
        if share and denied[level]:
            yield f"{level} is {text!r}, the mask is not empty"
            return
        if not share and not denied[level] and level != "p1":
            yield f"{level} is {text!r}, the mask is empty"
            return


def _empty_share(items: Sequence[Mapping[str, Any]], files: FileFacts) -> float:
    shares = [files.foreground[entry["label"]] for entry in items if entry["label"] in files.foreground]
    return sum(share == 0 for share in shares) / max(1, len(shares))


def _check_classes(classes: Mapping[str, Mapping[str, int]]) -> Iterable[Finding]:
    untrained = tuple(name for name, counts in classes.items() if not counts["training"])
    if untrained:
        yield Finding("warning", "classes that are validated or tested, but not in training", untrained)
    most = max((counts["training"] for counts in classes.values()), default=0)
    rare = tuple(
        f"{name} ({counts['training']} of {most})"
        for name, counts in classes.items()
        if 0 < counts["training"] < _RARE * most
    )
    if rare:
        yield Finding("warning", "classes that are rare in training beside the most frequent one", rare)
