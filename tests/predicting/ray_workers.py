"""Workers with accidents, in a module that light processes can import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from monai_vlsm.predicting.ray_engine import Worker
from monai_vlsm.predicting.records import write_record
from monai_vlsm.predicting.targets import targets_of

POISON = "poison"


class Pretends(Worker):
    """Writes files and a record without a network, and notes that it did; dies with an image of a certain name."""

    def load(self):
        pass

    def segment(self, job):
        plan = self.setting.plan
        if job.source.name == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.2)
        for file in targets_of(job, plan).all():
            (plan.folder / file).parent.mkdir(parents=True, exist_ok=True)
            (plan.folder / file).write_text("mask")
        with open(f"{plan.out} notes", "a") as notes:
            notes.write(f"{job.source.name}\n")
        write_record(job, plan, [{"pixels": 1}] * len(job.asks), 0.2, None)


class DiesOnce(Pretends):
    """The first worker that is at its second image is killed, with the first one finished."""

    images = 0

    def segment(self, job):
        self.images += 1
        died = Path(f"{self.setting.plan.out} died")
        if self.images == 2 and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        super().segment(job)


def count_or_die(number: int) -> int:
    """Return the number; the process dies with 1, and 2 is an error."""
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 2:
        raise MemoryError("no room")
    return number
