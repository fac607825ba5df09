"""Export the dense network, compare its files with PyTorch, and time both: python scripts/benchmark/exported.py."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import machine
import torch
from bench import Bench, Times, in_turn
from sides import build_ours

from monai_vlsm.exporting.check import run_of
from monai_vlsm.exporting.files import write_onnx, write_pt2
from monai_vlsm.exporting.parts import Part, parts_of, record
from monai_vlsm.networks.nets.prompted import PromptedNetwork

SIZES = ((1, 16), (2, 2), (3, 77), (5, 16))
"""Images and tokens."""


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--toy", action="store_true", help="the tiny backbone instead of random weights of full size")
    parser.add_argument("--precision", nargs="+", default=["float32", "float16"], help="of the weights in ONNX files")
    parser.add_argument("--pt2", action="store_true", help="also torch.export")
    parser.add_argument("--repeats", type=int, default=5, help="of each timing (default: 5)")
    parser.add_argument("--threads", type=int, default=1, help="of both sides (default: 1)")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    print(", ".join(f"{name} {value}" for name, value in machine.describe("cpu").items()), "\n")
    network = build_ours(Bench(toy=given.toy), "float32").eval()
    parts = parts_of(network, network.image_size)
    kinds = [("onnx", precision) for precision in given.precision] + [("pt2", "float32")] * given.pt2
    for kind, precision in kinds:
        with tempfile.TemporaryDirectory() as folder:
            seconds = _export(parts, Path(folder), kind, precision)
            sizes = {path.stem: f"{path.stat().st_size / 1e6:.1f} MB" for path in Path(folder).iterdir()}
            runs = {name: run_of(Path(folder) / f"{name}.{kind}", part, given.threads) for name, part in parts.items()}
            print(f"\n{kind} {precision}: written in {seconds[0]:.0f} CPU s, {seconds[1]:.0f} s; {sizes}")
            for line in _compared(network, runs):
                print(line, flush=True)
            if kind == "onnx":
                print("| | PyTorch, CPU ms | onnxruntime, CPU ms | ratio |\n|---|---|---|---|")
                for line in _timed(Bench(toy=given.toy, repeats=given.repeats), parts, runs):
                    print(line, flush=True)


def _export(parts: dict[str, Part], folder: Path, kind: str, precision: str) -> tuple[float, float]:
    """Write the files, and return CPU and wall seconds."""
    cpu, wall = time.process_time(), time.perf_counter()
    for name, part in parts.items():
        program, path = record(part, name), folder / f"{name}.{kind}"
        if kind == "onnx":
            write_onnx(program, part, path, precision)
        else:
            write_pt2(program, path)
    return time.process_time() - cpu, time.perf_counter() - wall


@torch.no_grad()
def _compared(network: PromptedNetwork, runs: dict[str, Callable[..., Any]]) -> Iterator[str]:
    """Yield how far logits and probabilities of the files are from those of the network."""
    for batch, tokens in SIZES:
        generator = torch.Generator().manual_seed(batch)
        image = torch.randn(batch, 3, network.image_size, network.image_size, generator=generator)
        input_ids = torch.randint(100, 1000, (batch, tokens), generator=generator)
        expected = network(image, input_ids)
        found = runs["decoder"](runs["image_encoder"](image), runs["text_encoder"](input_ids))
        logits, probabilities = ((found - expected).abs().max(), (found.sigmoid() - expected.sigmoid()).abs().max())
        spread = expected.max() - expected.min()
        yield (
            f"batch {batch}, {tokens} tokens: logits differ by at most {logits:.1e} of a spread of {spread:.2f}, "
            f"probabilities by {probabilities:.1e}"
        )


@torch.no_grad()
def _timed(bench: Bench, parts: dict[str, Part], runs: dict[str, Callable[..., Any]]) -> Iterator[str]:
    """Yield a line per part: CPU time of PyTorch and of onnxruntime for one image or prompt, in turn."""
    for name, part in parts.items():
        inputs = [tensor[:1].clone() for tensor in part.inputs.values()]
        run: Callable[..., Any] = runs[name]
        torch_times, runtime_times = in_turn(bench, lambda: part.module(*inputs), lambda: run(*inputs))  # noqa: B023
        ours, theirs = _median(runtime_times), _median(torch_times)
        yield f"| {name} | {theirs:.1f} | {ours:.1f} | {ours / theirs:.2f} |"


def _median(times: Times) -> float:
    return 1000 * statistics.median(times.cpu)


if __name__ == "__main__":
    main()
