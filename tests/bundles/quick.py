"""The bundle on which structure is tested, and settings that make a bundle run in seconds."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"backbone": "tiny", "image_size": 32, "batch_size": 4, "max_epochs": 1, "device": "cpu"}
BUNDLE = "busi"
"""All others equal it but for their values: test_two_bundles_differ_in_their_first_lines_only and its like show it."""
