"""Put load on a bundle: many requests at a time, mixed prompts, on a MONAI Label server and on predictors in threads.

Every answer is compared with the one to the same request alone. Needs the environment of scripts/label_env.sh.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from monai_vlsm.data.phantom import draw_phantom
from monai_vlsm.predictor import Predictor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from monai_label.server import LabelServer

PROMPTS = ("bright object", "dark object at the top", "tumor", "one large round mass at the left")
Case = tuple[str, str]


def write_pictures(folder: Path, number: int) -> None:
    """Draw pictures of 192 x 160 pixels."""
    folder.mkdir()
    for index in range(number):
        Image.fromarray(draw_phantom(np.random.default_rng(index)).image).save(folder / f"case{index}.png")


def measure(
    name: str, ask: Callable[[Case], bytes], memory: Callable[[], float], cases: list[Case], at_a_time: int
) -> int:
    """Send all cases, print a row of the table, and return the number of wrong answers."""
    alone, seconds_alone = {}, []
    for case in dict.fromkeys(cases):
        start = time.perf_counter()
        alone[case] = ask(case)
        seconds_alone.append(time.perf_counter() - start)

    def timed(case: Case) -> tuple[float, bool]:
        start = time.perf_counter()
        wrong = ask(case) != alone[case]
        return time.perf_counter() - start, wrong

    with ThreadPoolExecutor(at_a_time) as threads:
        list(threads.map(ask, cases[: 4 * at_a_time]))  # every thread has its buffers before memory is compared
        before, start = memory(), time.perf_counter()
        seconds, wrong = zip(*threads.map(timed, cases), strict=True)
        total = time.perf_counter() - start
        after = memory()
    p50, p95 = np.percentile(seconds, [50, 95])
    print(
        f"| {name} | {len(cases)} | {at_a_time} | {sum(wrong)} | {np.median(seconds_alone):.3f} | {p50:.3f} "
        f"| {p95:.3f} | {len(cases) / total:.1f} | {before:.0f} | {after:.0f} |",
        flush=True,
    )
    return sum(wrong)


def on_server(server: LabelServer) -> Callable[[Case], bytes]:
    """Ask the server for the mask of an image."""

    def ask(case: Case) -> bytes:
        answer = server.infer("busi", case[0], prompt=case[1])
        if answer.status != 200:
            raise RuntimeError(answer.reason)
        return answer.mask

    return ask


def in_threads(bundle: Path, studies: Path) -> Callable[[Case], bytes]:
    """Ask a predictor; each thread has its own, all share the network."""
    first, own = Predictor.from_bundle(bundle, device="cpu"), threading.local()

    def ask(case: Case) -> bytes:
        own.predictor = getattr(own, "predictor", None) or first.clone()
        return own.predictor.set_image(studies / f"{case[0]}.png").predict(case[1]).mask.tobytes()

    return ask


def memory_of_this_process() -> float:
    """Return the resident memory in MB."""
    listed = subprocess.run(["ps", "-o", "rss=", "-p", str(os.getpid())], capture_output=True, text=True, check=True)
    return int(listed.stdout) / 1024


def main() -> int:
    """Run the command line; the exit status is 1 after a wrong answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--at-a-time", type=int, default=8)
    parser.add_argument("--images", type=int, default=10)
    parser.add_argument("--backbone", default="tiny")
    arguments = parser.parse_args()
    cases = [
        (f"case{index % arguments.images}", PROMPTS[index // arguments.images % len(PROMPTS)])
        for index in range(arguments.requests)
    ]
    print("| | requests | at a time | wrong | p50 alone, s | p50, s | p95, s | per second | MB before | MB after |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder, studies = Path(temporary), Path(temporary) / "studies"
        write_pictures(studies, arguments.images)
        with LabelServer(folder, studies, ["busi"], ["--untrained", "--backbone", arguments.backbone]) as server:
            wrong = measure("server", on_server(server), server.memory, cases, arguments.at_a_time)
        ask = in_threads(server.app / "model" / "busi", studies)
        wrong += measure("predictors", ask, memory_of_this_process, cases, arguments.at_a_time)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
