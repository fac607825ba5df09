"""The columns of ``per_image.csv``: what a case is, what its output says of itself; all others are metrics."""

CASE = ("image", "label", "group", "prompt", "label_pixels", "pred_pixels")

SCORES = ("presence", "agreement", "mean_probability", "look")
"""There only where an output has them."""

RANKED = ("presence", "agreement", "mean_probability")
"""Those that are compared as detectors of bad masks, each with the last one."""

DISTANCES = ("hd95",)
"""Metrics in pixels: undefined where a mask is empty, and lower is better. All others are overlaps within [0, 1]."""
