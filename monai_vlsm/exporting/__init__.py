"""Bundles for other runtimes: three files of ONNX or torch.export, and a card of what else is needed."""

from .export import export_bundle

__all__ = ["export_bundle"]
