"""A small training on random images, in double precision, so that sums in another order can be told from errors."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from monai.engines import PrepareBatchExtraInput, SupervisedTrainer
from monai.losses import DiceCELoss
from torch import nn

from monai_vlsm.engines import SplitLoader
from monai_vlsm.handlers import GradientClipper

IMAGES = 11
BATCH_SIZE = 4


class Network(nn.Module):
    """A convolution whose output is moved by the number in ``input_ids``."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Conv2d(3, 1, 3, padding=1).double()
        self.largest_batch = 0

    def forward(self, image: torch.Tensor, input_ids: torch.Tensor) -> torch.Tensor:
        self.largest_batch = max(self.largest_batch, len(image))
        return self.layer(image) + input_ids.view(-1, 1, 1, 1)


def items() -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(1)
    images = torch.rand(IMAGES, 3, 8, 8, generator=generator, dtype=torch.double)
    return [
        {"image": image, "label": (image.mean(0, keepdim=True) > 0.5).double(), "input_ids": torch.tensor([float(row)])}
        for row, image in enumerate(images)
    ]


@pytest.fixture
def trainer() -> Callable[..., SupervisedTrainer]:
    def build(iteration_update=None, network=None, **options) -> SupervisedTrainer:
        network = network or Network()
        optimizer = torch.optim.AdamW(network.parameters(), lr=0.1)
        return SupervisedTrainer(
            device=torch.device("cpu"),
            max_epochs=2,
            train_data_loader=SplitLoader(items(), BATCH_SIZE),
            network=network,
            optimizer=optimizer,
            loss_function=DiceCELoss(sigmoid=True, lambda_dice=1.5),
            prepare_batch=PrepareBatchExtraInput({"input_ids": "input_ids"}),
            iteration_update=iteration_update,
            train_handlers=[GradientClipper(optimizer, max_norm=0.05)],
            **options,
        )

    return build
