"""Training in whole batches of bytes gives the numbers of MONAI's way: image by image, in floats."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from bundles.quick import QUICK
from ignite.engine import Events

from monai_vlsm.transforms.network_input import normalized_pixels

KEPT = ("TrainingState", "GradientClipper", "ValidationHandler", "LrScheduleHandler")
"""Handlers that change the numbers."""

TO_MASK = [
    {"_target_": "CopyItemsd", "keys": "pred", "names": "logits"},
    {"_target_": "Activationsd", "keys": "pred", "sigmoid": True},
    {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
]
DICE = {
    "_target_": "monai.handlers.IgniteMetricHandler",
    "metric_fn": {"_target_": "DiceMetric", "ignore_empty": False},
    "output_transform": "$monai.handlers.from_engine(['pred', 'label'])",
}
LOSS = {
    "_target_": "monai.handlers.IgniteMetricHandler",
    "loss_fn": "@loss",
    "output_transform": "$monai.handlers.from_engine(['logits', 'label'])",
    "save_details": False,
}


def normalized(image: torch.Tensor) -> torch.Tensor:
    """Normalize one image to the last bit as a batch is: AdamW makes large steps of small differences."""
    return normalized_pixels(image[None], torch.empty(1, *image.shape))[0]


def image_by_image(config: dict) -> dict:
    """Return what turns a configuration into the way that MONAI's own components go."""
    tokenize, select = config["tokenize"]
    floats = [
        {"_target_": "Lambdad", "keys": "image", "func": normalized},
        {"_target_": "EnsureTyped", "keys": ["image", "label"], "dtype": torch.float32, "track_meta": False},
    ]
    return {
        "tokenize": [tokenize, *floats, select],
        "prepare_batch#_target_": "monai.engines.PrepareBatchExtraInput",
        "train#postprocessing": {"_target_": "Compose", "transforms": TO_MASK},
        "validate#postprocessing": {"_target_": "Compose", "transforms": TO_MASK},
        "train#key_metric": {"train_dice": DICE},
        "validate#key_metric": {"val_dice": DICE},
        "validate#additional_metrics": {"val_loss": LOSS},
        "train#trainer#decollate": True,
        "validate#evaluator#decollate": True,
    }


@pytest.fixture
def numbers(parse, bundle, phantom) -> Callable[..., torch.Tensor]:
    """Train for two epochs, and return the loss of every step and the metrics of every epoch."""
    root = bundle("phantom")

    def train(change: Callable[[dict], dict]) -> torch.Tensor:
        options = {**QUICK, "max_epochs": 2, "prompt_level": "random", "dataset_dir": phantom}
        parser = parse(root, "train", **options)
        parser.update(change(parser.config))
        for part in ("train", "validate"):
            handlers = parser[f"{part}#handlers"]
            parser[f"{part}#handlers"] = [
                handler for handler in handlers if isinstance(handler, dict) and handler["_target_"].endswith(KEPT)
            ]
        parser.get_parsed_content("initialize")
        trainer, evaluator = (parser.get_parsed_content(key) for key in ("train#trainer", "validate#evaluator"))
        parser.get_parsed_content("early_stop").set_trainer(trainer)
        found: list[float] = []

        @trainer.on(Events.ITERATION_COMPLETED)
        def _(engine):
            output = engine.state.output
            found.append(output[0]["loss"] if isinstance(output, list) else output["loss"].item())

        for engine in (trainer, evaluator):
            engine.add_event_handler(Events.EPOCH_COMPLETED, lambda each: found.extend(each.state.metrics.values()))
        trainer.run()
        return torch.tensor(found, dtype=torch.float64)

    return train


def test_losses_and_metrics_of_two_epochs_are_those_of_single_images(numbers):
    batches, single = (numbers(change) for change in (lambda config: {}, image_by_image))
    assert len(batches) == 2 * (3 + 1 + 2), "three steps, a Dice of training, Dice and loss of validation, per epoch"
    torch.testing.assert_close(batches, single, rtol=0, atol=1e-6)
