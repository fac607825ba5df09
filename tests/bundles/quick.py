"""Settings that make a bundle run in seconds."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
QUICK = {"backbone": "tiny", "image_size": 32, "batch_size": 4, "max_epochs": 1, "device": "cpu", "amp": False}
