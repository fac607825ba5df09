"""Text-prompted medical image segmentation: VLSM-Adapter as a MONAI plugin."""
