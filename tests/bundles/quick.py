"""The bundle on which structure is tested, and settings that make a bundle run in seconds."""

from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"backbone": "tiny", "image_size": 32, "batch_size": 4, "max_epochs": 1, "device": "cpu"}
BUNDLE = "busi"
"""All others equal it but for their values: test_two_bundles_differ_in_their_first_lines_only and its like show it."""


def trained_weights(root: Path) -> dict[str, Any]:
    """Return what a training in a folder had learned when it ended."""
    return torch.load(root / "eval" / "training_state.pt", weights_only=True)["objects"]["network"]
