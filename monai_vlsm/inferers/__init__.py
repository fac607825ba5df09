"""Inference at the size of the image."""

from .prompt_inferer import PromptInferer

__all__ = ["PromptInferer"]
