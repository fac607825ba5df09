"""The worst and the best cases of a run, segmented anew and drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from monai_vlsm.errors import DataError
from monai_vlsm.pages import Picture
from monai_vlsm.pages.cells import shown
from monai_vlsm.reports.bundle_facts import BundleFacts
from monai_vlsm.reports.evaluated import is_present
from monai_vlsm.reports.runs import Run

Entry = Mapping[str, Any]
Known = dict[tuple[str, str], list[tuple[str, str]]]

_DIFFERENT = 0.01
"""Share of a mask's pixels from which on the caption says that the run had another one."""


def extremes(run: Run, count: int) -> dict[str, list[int]]:
    """Return the rows with the lowest and the highest Dice of those that show the target: ``worst`` and ``best``.

    A row is in one of them only: of few rows each gets half.
    """
    dice = run.metrics["dice"]
    kept = np.flatnonzero(np.isfinite(dice) & is_present(run))
    order = kept[np.argsort(dice[kept], kind="stable")].tolist()
    worst = min(count, (len(order) + 1) // 2)
    best = min(count, len(order) - worst)
    return {"worst": order[:worst], "best": order[len(order) - best :][::-1]}


def draw_cases(
    bundle: BundleFacts,
    run: Run,
    entries: Sequence[Entry],
    rows: Mapping[str, Sequence[int]],
    backbone: str | None = None,
) -> dict[str, list[Picture]]:
    """Segment rows of a run anew with the bundle's model, and draw annotation and prediction.

    Only images of the data set are opened, whatever files the run names.

    Args:
        bundle: with a model.
        run: with a column ``dice``.
        entries: of the data set, with absolute paths.
        rows: of the run, by name.
        backbone: in place of the bundle's own.

    Returns:
        the pictures by the same names.

    Raises:
        UserError: if the model or a file cannot be used, or a row is about no image of the data set.
    """
    known = _by_name(entries)
    segment = _segmenter(bundle, backbone)
    return {name: [_drawn(run, at, known, segment) for at in places] for name, places in rows.items()}


def _drawn(run: Run, at: int, known: Known, segment: Any) -> Picture:
    from monai_vlsm.handlers.drawing import draw_overlay
    from monai_vlsm.handlers.overlays import upright_pictures
    from monai_vlsm.transforms.load import load_pair

    row, dice = run.rows[at], float(run.metrics["dice"][at])
    image, label = load_pair(*_entry_of(row, known, run.table))
    pred = segment(image, row["prompt"])
    overlay = draw_overlay(*upright_pictures(image, pred, label))
    return Picture(overlay, *_words(row, shown(dice), int(pred.count_nonzero())))


def _words(row: Mapping[str, str], dice: str, pixels: int) -> tuple[str, str]:
    name, before = _posix(row["image"]).name, int(row["pred_pixels"])
    caption = f"{name}, {row['prompt']!r}\nDice {dice}"
    if abs(pixels - before) > _DIFFERENT * max(pixels, before):
        caption += f"\nThe run had a mask of {before:,} pixels, this one has {pixels:,}."
    return f"{name} with annotation and prediction, Dice {dice}", caption


def _posix(path: str) -> PurePosixPath:
    return PurePosixPath(path.replace("\\", "/"))


def _by_name(entries: Sequence[Entry]) -> Known:
    """Return images and labels of entries by the names of their files."""
    known: Known = {}
    for entry in entries:
        pair = (entry["image"], entry["label"])
        known.setdefault((Path(pair[0]).name, Path(pair[1]).name), []).append(pair)
    return known


def _entry_of(row: Mapping[str, str], known: Known, table: Path) -> tuple[str, str]:
    """Return image and label of the data set that end as those of the row do, as far as possible."""
    named = tuple(_posix(row[key]) for key in ("image", "label"))
    found = known.get((named[0].name, named[1].name), [])
    best = max(found, key=lambda pair: sum(map(_common_end, pair, named)), default=None)
    if best is None:
        raise DataError(
            f"{str(table)!r} has {row['image'][:200]!r}, which is not in the data set: give the one that was "
            "evaluated with --dataset-dir."
        )
    return best


def _common_end(path: str, named: PurePosixPath) -> int:
    pairs: Iterator[tuple[str, str]] = zip(reversed(Path(path).parts), reversed(named.parts), strict=False)
    return next((at for at, (own, other) in enumerate(pairs) if own != other), len(named.parts))


def _segmenter(bundle: BundleFacts, backbone: str | None) -> Any:
    """Return what makes a mask (1, W, H[, D]) of an image and a prompt, as an evaluation of the bundle does."""
    from monai_vlsm.bundle import bundle_model, bundle_parser, parsed_content
    from monai_vlsm.inferers import PromptInferer
    from monai_vlsm.networks import load_checkpoint

    parser = bundle_parser(bundle.folder, backbone)
    network = load_checkpoint(parsed_content(parser, "network_def"), bundle_model(bundle.folder, parser))
    device, image_size = (parsed_content(parser, key) for key in ("device", "image_size"))
    threshold = bundle.values.get("threshold")
    limit = threshold if isinstance(threshold, float) else 0.5
    return partial(_segment, network.to(device).eval(), device, partial(PromptInferer, image_size=image_size), limit)


def _segment(network: Any, device: Any, inferer: Any, threshold: float, image: Any, prompt: str) -> Any:
    logits = inferer(prompt)(image[None].to(device), network)[0]
    return (logits.sigmoid() >= threshold).cpu()
