"""Overlays of predictions: as PNG files after evaluation and inference, in TensorBoard while training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from monai_vlsm.data.names import stem_of
from monai_vlsm.data.whole import replace_whole
from monai_vlsm.handlers.drawing import MAX_WIDTH, contact_sheet, draw_overlay
from monai_vlsm.transforms.display_range import as_unit
from monai_vlsm.transforms.network_input import denormalized
from monai_vlsm.transforms.upright import UprightView, upright_slices


class OverlayHandler:
    """Draw the first cases of a run: annotation green, prediction red, the prompt below.

    Of volumes the slice with most of the prediction is drawn; pictures of more than ``MAX_WIDTH`` pixels get fewer. The
    evaluator's images are (C, W, H[, D]) as they were read, its postprocessing gives binary predictions.

    Args:
        output_dir: gets a folder ``overlays`` of PNG files, and ``overlays.png``, which shows all of them.
        cases: how many are drawn.
        caption: written below cases that have no prompt of their own.
    """

    def __init__(self, output_dir: str | Path, cases: int = 8, caption: str = "") -> None:
        self.output_dir = Path(output_dir)
        self.cases = cases
        self.caption = caption
        self._overlays: list[tuple[str, np.ndarray]] = []

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator."""
        engine.add_event_handler(Events.EPOCH_STARTED, lambda _: self._overlays.clear())
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._draw)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _draw(self, engine: Engine) -> None:
        for item, output in self._cases(engine.state):
            if len(self._overlays) == self.cases:
                return
            image = output["image"]
            masks = (output["pred"], output.get("label"))
            pred, label = (mask if mask is None or mask.ndim == image.ndim else mask[None] for mask in masks)
            overlay = draw_overlay(*self._pictures(image, pred, label), item.get("prompt", self.caption))
            self._overlays.append((stem_of(str(getattr(image, "meta", {}).get("filename_or_obj", "case"))), overlay))

    def _cases(self, state: Any) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """Yield every image of a batch as it was loaded, and what the engine made of it."""
        yield from zip(state.batch, state.output, strict=True)

    def _pictures(self, image: Any, pred: Any, label: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        return upright_pictures(image, pred, label)

    def _write(self, engine: Engine) -> None:
        if not self._overlays:
            return
        for index, (name, overlay) in enumerate(self._overlays):
            _save(overlay, self.output_dir / "overlays" / f"{index:03d}_{name}.png")
        _save(contact_sheet([overlay for _, overlay in self._overlays]), self.output_dir / "overlays.png")


class TensorBoardOverlayHandler(OverlayHandler):
    """Draw the first cases of every validation into TensorBoard, a step per epoch.

    The evaluator does not decollate; its images (B, 3, H, W) are bytes, or floats as the network takes them.

    Args:
        summary_writer: shared with the other handlers of TensorBoard; its folder gets nothing else.
        cases, caption: as for :class:`OverlayHandler`.
    """

    def __init__(self, summary_writer: SummaryWriter, cases: int = 8, caption: str = "") -> None:
        super().__init__(summary_writer.log_dir, cases, caption)
        self.summary_writer = summary_writer

    def _cases(self, state: Any) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        for index in range(len(state.output["pred"])):
            output = {key: state.output[key][index] for key in ("image", "pred", "label")}
            yield {key: state.batch[key][index] for key in ("prompt",) if key in state.batch}, output

    def _pictures(self, image: Any, pred: Any, label: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        picture = _channels_last(as_unit(image) if image.dtype == torch.uint8 else denormalized(image[None])[0])
        return picture, pred[0].cpu().numpy(), None if label is None else label[0].cpu().numpy()

    def _write(self, engine: Engine) -> None:
        for index, (_, overlay) in enumerate(self._overlays):
            self.summary_writer.add_image(f"validation/case {index}", overlay, engine.state.epoch, dataformats="HWC")
        self.summary_writer.flush()


def upright_pictures(image: Any, pred: Any, label: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return what :func:`.draw_overlay` takes: image (H, W, 3), prediction (H, W), annotation (H, W) or None, upright.

    Args:
        image: (C, W, H[, D]) as it was loaded.
        pred, label: (1, W, H[, D]); of a volume the slice with most of ``pred`` is shown.
    """
    picture, (mask, *truth) = upright_case(image, [pred] if label is None else [pred, label], pred)
    return picture, mask, truth[0] if truth else None


def upright_case(
    image: Any, masks: Sequence[torch.Tensor], shown: torch.Tensor | None = None
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return an image (H, W, 3) in [0, 1] and several masks (H, W), upright.

    Args:
        image: (C, W, H[, D]) as it was loaded.
        masks: (1, W, H[, D]).
        shown: the mask of which, in a volume, the slice with most pixels is shown; None is what is in any.
    """
    view, best = UprightView.of(image), 0
    if image.ndim == 4:
        chosen = reduce(torch.logical_or, masks) if shown is None else shown
        best = _largest_slice(chosen.as_subclass(torch.Tensor))
    picture, *others = (_one_picture(item, view, best) for item in (image, *masks))
    return _channels_last(as_unit(picture)), [mask[0].cpu().numpy() for mask in others]


def _one_picture(image: torch.Tensor, view: UprightView, index: int) -> torch.Tensor:
    """Return slice ``index`` of (C, W, H[, D]), upright: (3, rows, columns); a large one with fewer pixels."""
    picture = upright_slices(image[..., index : index + 1] if image.ndim == 4 else image, view)[0]
    step = math.ceil(max(picture.shape[1:]) / MAX_WIDTH)
    return picture[:, ::step, ::step]


def _save(picture: np.ndarray, path: Path) -> None:
    with replace_whole(path) as part:
        # Level 6, which is Pillow's own, takes four times as long and saves 15 %.
        Image.fromarray(picture).save(part, compress_level=1)


def _largest_slice(pred: torch.Tensor) -> int:
    """Return the slice of ``pred`` (1, W, H, D) with most of it; one at a time, as a sum of all makes 64-bit copies."""
    counts = torch.stack([slice_.count_nonzero() for slice_ in pred.unbind(-1)])
    return int(counts.argmax())


def _channels_last(picture: torch.Tensor) -> np.ndarray:
    return picture.float().cpu().numpy().transpose(1, 2, 0)
