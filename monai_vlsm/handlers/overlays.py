"""Overlays of predictions: as PNG files after evaluation and inference, in TensorBoard while training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from ignite.engine import Engine, Events
from PIL import Image
from torch.utils.tensorboard import SummaryWriter

from monai_vlsm.handlers.drawing import contact_sheet, draw_overlay
from monai_vlsm.transforms.network_input import denormalized
from monai_vlsm.transforms.upright import UprightView, upright_slices


class OverlayHandler:
    """Draw the first cases of a run: annotation green, prediction red, the prompt below.

    Of volumes the slice with most of the prediction is drawn. The evaluator's images are (C, W, H[, D]) as they were
    read, its postprocessing gives binary predictions.

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
        state: Any = engine.state
        for item, output in zip(state.batch, state.output, strict=True):
            if len(self._overlays) == self.cases:
                return
            image = output["image"]
            masks = (output["pred"], output.get("label"))
            pred, label = (mask if mask is None or mask.ndim == image.ndim else mask[None] for mask in masks)
            overlay = draw_overlay(*self._pictures(image, pred, label), item.get("prompt", self.caption))
            name = Path(str(getattr(image, "meta", {}).get("filename_or_obj", "case"))).name
            self._overlays.append((name.split(".")[0], overlay))

    def _pictures(self, image: Any, pred: Any, label: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Return image (H, W, 3), prediction (H, W) and annotation (H, W) or None, all upright."""
        view = UprightView.of(image)
        preds = upright_slices(pred, view)[:, 0]
        best = int(preds.sum(dim=(1, 2)).argmax())
        truth = None if label is None else upright_slices(label, view)[best, 0].cpu().numpy()
        return _channels_last(upright_slices(image, view)[best]), preds[best].cpu().numpy(), truth

    def _write(self, engine: Engine) -> None:
        if not self._overlays:
            return
        folder = self.output_dir / "overlays"
        folder.mkdir(parents=True, exist_ok=True)
        for index, (name, overlay) in enumerate(self._overlays):
            Image.fromarray(overlay).save(folder / f"{index:03d}_{name}.png")
        sheet = contact_sheet([overlay for _, overlay in self._overlays])
        Image.fromarray(sheet).save(self.output_dir / "overlays.png")


class TensorBoardOverlayHandler(OverlayHandler):
    """Draw the first cases of every validation into TensorBoard, a step per epoch.

    The evaluator's images are (3, H, W) as the network takes them.

    Args:
        summary_writer: shared with the other handlers of TensorBoard; its folder gets nothing else.
        cases, caption: as for :class:`OverlayHandler`.
    """

    def __init__(self, summary_writer: SummaryWriter, cases: int = 8, caption: str = "") -> None:
        super().__init__(summary_writer.log_dir, cases, caption)
        self.summary_writer = summary_writer

    def _pictures(self, image: Any, pred: Any, label: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        picture = _channels_last(denormalized(image[None])[0])
        return picture, pred[0].cpu().numpy(), None if label is None else label[0].cpu().numpy()

    def _write(self, engine: Engine) -> None:
        for index, (_, overlay) in enumerate(self._overlays):
            self.summary_writer.add_image(f"validation/case {index}", overlay, engine.state.epoch, dataformats="HWC")
        self.summary_writer.flush()


def _channels_last(picture: torch.Tensor) -> np.ndarray:
    return picture.float().cpu().numpy().transpose(1, 2, 0)
