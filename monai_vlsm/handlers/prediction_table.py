"""What an inference leaves behind beside its masks: a row per image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ignite.engine import Engine, Events
from monai.utils import MetaKeys

from monai_vlsm.data.tables import write_table
from monai_vlsm.data.whole import remove_file, replace_whole
from monai_vlsm.statistics.columns import SCORES
from monai_vlsm.transforms.prompt import PROMPT

TABLE = "predictions.csv"

_HEAD = ("image", "mask", "prompt", "pixels")


class PredictionTable:
    """Write ``predictions.csv``: image, mask, prompt, pixels, and those of ``SCORES`` that the output has.

    The table is there when all masks are; one of an earlier inference into the same folder is removed at the start.

    Args:
        output_dir: folder of the table.
    """

    def __init__(self, output_dir: str | Path) -> None:
        self.path = Path(output_dir) / TABLE
        self._rows: list[dict[str, Any]] = []

    def attach(self, engine: Engine) -> None:
        """Attach to an evaluator whose postprocessing writes the masks."""
        engine.add_event_handler(Events.EPOCH_STARTED, self._begin)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self._collect)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self._write)

    def _begin(self) -> None:
        self._rows.clear()
        remove_file(self.path)

    def _collect(self, engine: Engine) -> None:
        outputs: Any = engine.state.output
        for output in outputs:
            meta, pred = output["image"].meta, output["pred"]
            head = (meta["filename_or_obj"], pred.meta[MetaKeys.SAVED_TO], meta[PROMPT], int(pred.count_nonzero()))
            scores = {name: output[name] for name in SCORES if name in output}
            self._rows.append({**dict(zip(_HEAD, head, strict=True)), **scores})

    def _write(self) -> None:
        columns = [*_HEAD, *(name for name in SCORES if any(name in row for row in self._rows))]
        with replace_whole(self.path) as part:
            write_table(part, columns, self._rows)
