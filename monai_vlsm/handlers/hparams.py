"""What tells one training from another, for the table of TensorBoard that compares them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ignite.engine import Engine, Events
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

METRIC = "best_val_dice"
"""Tag of the result; the best of the validations, which is that of ``model.pt``."""


class TensorBoardHparams:
    """Write the settings of a training and its best validation into its log, for TensorBoard's page "HParams".

    They are written when the training ends: one log folder per training, below a common one, makes one row each.

    Args:
        summary_writer: of the training.
        values: settings by name; None is left out, and what is no number is written as text.
        evaluator: whose best metric counts.
    """

    def __init__(self, summary_writer: SummaryWriter, values: Mapping[str, Any], evaluator: Engine) -> None:
        self.summary_writer = summary_writer
        self.values = values
        self.evaluator = evaluator

    def attach(self, engine: Engine) -> None:
        """Attach to the trainer."""
        engine.add_event_handler(Events.COMPLETED, self._write)

    def _write(self, engine: Engine) -> None:
        values = {
            # PyTorch would write a truth value as a number.
            name: value if isinstance(value, int | float | str) and not isinstance(value, bool) else str(value)
            for name, value in self.values.items()
            if value is not None
        }
        for summary in hparams(values, {METRIC: 0.0}):
            self.summary_writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]
        state: Any = self.evaluator.state
        if state.best_metric_epoch > 0:  # before the first validation MONAI has -1
            self.summary_writer.add_scalar(METRIC, state.best_metric, engine.state.epoch)
        self.summary_writer.flush()
