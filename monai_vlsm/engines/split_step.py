"""An optimizer step on a batch that is split, over processes and into pieces, as if it were whole."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import ignite.distributed as idist
import torch
from monai.engines import IterationEvents, SupervisedTrainer
from monai.utils.enums import CommonKeys


class SplitStep:
    """The iteration of MONAI's SupervisedTrainer, with the gradients of the whole batch from smaller pieces.

    A piece has as much weight as it has images, so that uneven ones add up to the mean over the batch too; the loss
    must be a mean over images. MONAI's ``accumulation_steps`` gives the same weight to all pieces, also to those of a
    group that the end of an epoch cuts short, and tells handlers of every piece. Here, handlers are told once per step;
    those of forward pass and loss after the backward pass. Nothing is cast: our networks do that by themselves.

    Args:
        accumulate: pieces that are computed one after the other, each in the memory of the one before.
    """

    def __init__(self, accumulate: int = 1) -> None:
        self.accumulate = accumulate

    def __call__(self, engine: SupervisedTrainer, batchdata: dict[str, Any]) -> dict[str, torch.Tensor]:
        """Train on a batch; return image, label and prediction (logits) of this process, and the loss of all."""
        batch = engine.prepare_batch(batchdata, engine.state.device, engine.non_blocking, **engine.to_kwargs)
        image, label, *_ = batch
        engine.network.train()
        engine.optimizer.zero_grad(set_to_none=engine.optim_set_to_none)
        preds, losses = self._accumulate(engine, batch, len(image))
        engine.state.output = {
            CommonKeys.IMAGE: image,
            CommonKeys.LABEL: label,
            CommonKeys.PRED: torch.cat(preds),
            CommonKeys.LOSS: idist.all_reduce(torch.stack(losses).sum()) / idist.get_world_size(),
        }
        engine.fire_event(IterationEvents.FORWARD_COMPLETED)
        engine.fire_event(IterationEvents.LOSS_COMPLETED)
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)
        if engine.scaler is None:
            engine.optimizer.step()
        else:
            engine.scaler.step(engine.optimizer)
            engine.scaler.update()
        engine.fire_event(IterationEvents.MODEL_COMPLETED)
        return engine.state.output

    def _accumulate(
        self, engine: SupervisedTrainer, batch: tuple, images: int
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Add up the gradients of all pieces, and return the prediction and the weighted loss of each."""
        size = -(-images // self.accumulate)
        starts = range(0, images, size)
        # Processes give the mean of their gradients: the shares of the batch must add up to their number.
        processes, total = idist.get_world_size(), _images_of_all(engine, images)
        preds, losses = [], []
        for start in starts:
            piece = _cut(batch, slice(start, start + size), images)
            is_last = start == starts[-1]
            # Gradients are exchanged in the last backward pass only.
            with nullcontext() if is_last else getattr(engine.network, "no_sync", nullcontext)():
                pred, loss = _forward(engine, *piece)
                loss = loss * (len(pred) * processes / total)
                (loss if engine.scaler is None else engine.scaler.scale(loss)).backward()
            preds.append(pred.detach())
            losses.append(loss.detach())
        return preds, losses


def _forward(
    engine: SupervisedTrainer, image: torch.Tensor, label: torch.Tensor, args: tuple, kwargs: dict[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    pred = engine.inferer(image, engine.network, *args, **kwargs)
    return pred, engine.loss_function(pred, label).mean()


def _images_of_all(engine: SupervisedTrainer, images: int) -> int:
    """Return the number of images that all processes together have in this step."""
    if idist.get_world_size() == 1:
        return images
    loader: Any = engine.data_loader
    sizes: list[int] = loader.batch_sampler.sizes
    return sizes[(engine.state.iteration - 1) % len(sizes)]


def _cut(value: Any, part: slice, images: int) -> Any:
    """Cut all that has a row per image, in tuples and dictionaries too."""
    if isinstance(value, dict):
        return {name: _cut(item, part, images) for name, item in value.items()}
    if isinstance(value, tuple):
        return tuple(_cut(item, part, images) for item in value)
    return value[part] if isinstance(value, torch.Tensor) and value.shape[:1] == (images,) else value
