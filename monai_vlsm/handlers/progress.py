"""A progress bar with the numbers that matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ignite.distributed as idist
from ignite.engine import Engine
from ignite.handlers import ProgressBar


class Progress(ProgressBar):
    """Ignite's progress bar over the iterations of an epoch, on the first rank only.

    Args:
        persist: whether a finished bar stays on the screen.
        show_loss: whether the loss stands behind the bar.
        kwargs: for ``ignite.handlers.ProgressBar``, and through it for tqdm.
    """

    def __init__(self, persist: bool = False, show_loss: bool = False, **kwargs: Any) -> None:
        super().__init__(persist=persist, **kwargs)
        self.show_loss = show_loss

    def attach(self, engine: Engine, *args: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """Attach to a trainer or evaluator."""
        if idist.get_rank() == 0:
            super().attach(engine, output_transform=_loss if self.show_loss else None)


def _loss(output: Mapping[str, Any]) -> dict[str, float]:
    return {"loss": output["loss"].item()}
