"""Building blocks that need torch only."""

from .adapter import Adapter

__all__ = ["Adapter"]
