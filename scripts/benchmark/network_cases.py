"""The bare networks: steps of training, predictions, memory and compilation."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

import torch
from bench import Bench, NotMeasured, Row, in_own_process, in_turn, peak_gib, time_rows
from sides import autocast, build_baseline, build_ours, forward, inputs, require_same_numbers, training_step

from monai_vlsm.networks import METHODS

PROMPTS = 10


def step(bench: Bench, precision: str) -> list[Row]:
    """Time a training step of the dense network: forward, loss, backward, AdamW."""
    ours, public = build_ours(bench, precision), build_baseline(bench)
    require_same_numbers(bench, ours, public, precision)
    return _timed_steps(bench, precision, ours, public, "training step")


def compiled_step(bench: Bench, precision: str) -> list[Row]:
    """Time the same step, our side compiled."""
    ours, public = build_ours(bench, precision, compile=True), build_baseline(bench)
    require_same_numbers(bench, ours, public, precision, bench.batch_size)  # for another size it would compile anew
    rows = _timed_steps(bench, precision, ours, public, "training step, compiled")
    if not ours.compiling:
        raise NotMeasured("the compiler failed, and the network ran without it")
    return rows


def _timed_steps(bench: Bench, precision: str, ours: Any, public: Any, what: str) -> list[Row]:
    sides = (
        training_step(bench, ours, precision, bench.batch_size),
        training_step(bench, public, precision, bench.batch_size, is_baseline=True),
    )
    own, theirs = in_turn(bench, *sides)
    rows = time_rows(bench, f"{what} of {bench.batch_size} images", precision, own, theirs)
    ours_rate, public_rate = (bench.batch_size / statistics.median(times.wall) for times in (own, theirs))
    return [*rows, Row(what, precision, "images/s", ours_rate, public_rate, ours_rate / public_rate)]


def prediction(bench: Bench, precision: str) -> list[Row]:
    """Time one image with one prompt, encoded and decoded."""
    ours, public = build_ours(bench, precision), build_baseline(bench)
    batch = inputs(bench, 1)

    @torch.inference_mode()
    def predict() -> None:
        forward(ours, batch)

    @torch.inference_mode()
    def predict_publicly() -> None:
        with autocast(bench, precision):
            forward(public, batch)

    return time_rows(bench, "prediction", precision, *in_turn(bench, predict, predict_publicly))


def prompts(bench: Bench, precision: str) -> list[Row]:
    """Time ten prompts on one image: encoded once by us, ten full predictions by the baseline."""
    ours, public = build_ours(bench, precision), build_baseline(bench)
    batch = inputs(bench, PROMPTS)
    single = [{name: tensor[index : index + 1] for name, tensor in batch.items()} for index in range(PROMPTS)]

    @torch.inference_mode()
    def predict() -> None:
        features = ours.encode_image(batch["image"][:1])
        ours.decode(features, ours.encode_text(batch["input_ids"], batch["attention_mask"]))

    @torch.inference_mode()
    def predict_publicly() -> None:
        with autocast(bench, precision):
            for one in single:
                forward(public, {**one, "image": batch["image"][:1]})

    return time_rows(bench, f"{PROMPTS} prompts on an image", precision, *in_turn(bench, predict, predict_publicly))


def memory(bench: Bench, precision: str) -> list[Row]:
    """Measure the peak of the training step beyond what the built network holds, each side on its own."""
    return _peaks(bench, precision, f"training step of {bench.batch_size} images")


def checkpointed_memory(bench: Bench, precision: str) -> list[Row]:
    """Measure the same with gradient checkpointing."""
    what = f"training step of {bench.batch_size} images, gradient checkpointing"
    return _peaks(bench, precision, what, gradient_checkpointing=True)


def _peaks(bench: Bench, precision: str, what: str, **options: Any) -> list[Row]:
    build_ours(bench, precision, **options)  # what is missing is told here, not by the other process
    own, theirs = (_peak_apart(bench, precision, side, options) for side in ("ours", "baseline"))
    ratio = own["beyond"] / theirs["beyond"]
    return [
        Row(f"peak of a {what}, beyond the network", precision, "GiB", own["beyond"], theirs["beyond"], ratio),
        Row(f"held before a {what}", precision, "GiB", own["built"]),
    ]


def _peak_apart(bench: Bench, precision: str, side: str, options: dict[str, Any]) -> dict[str, float]:
    """Measure a peak in a process of its own; on CUDA in this one, where the allocator tells it as well."""
    if bench.device == "cuda":
        return peak(bench, precision, side, options)
    return in_own_process(bench, "peak", precision=precision, side=side, options=options)


def peak(bench: Bench, precision: str, side: str, options: dict[str, Any]) -> dict[str, float]:
    """Measure the peak of one side in this process."""

    def prepare() -> Callable[[], object]:
        is_baseline = side == "baseline"
        network = build_baseline(bench) if is_baseline else build_ours(bench, precision, **options)
        return training_step(bench, network, precision, bench.batch_size, is_baseline)

    return peak_gib(bench.device, prepare)


def methods(bench: Bench, precision: str) -> list[Row]:
    """Measure what each method trains: parameters, seconds of a step (of the CPU where it does the work), its peak."""
    rows, unit = [], "wall" if bench.device == "cuda" else "CPU"
    for method in bench.methods or [name for name in METHODS if METHODS[name].learning_rate]:
        network = build_ours(bench, precision, method)
        count = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
        (times,) = in_turn(bench, training_step(bench, network, precision, bench.batch_size))
        held = _peak_apart(bench, precision, "ours", {"method": method})
        file_bytes = sum(tensor.nbytes for tensor in network.state_dict().values())
        rows += [
            Row(f"{method}: trained parameters", precision, "", count),
            Row(f"{method}: checkpoint", precision, "MB", file_bytes / 1e6),
            Row(
                f"{method}: training step of {bench.batch_size} images",
                precision,
                f"{unit} s",
                statistics.median(getattr(times, unit.lower())),
            ),
            Row(f"{method}: peak of the step, beyond the network", precision, "GiB", held["beyond"]),
        ]
    return rows
