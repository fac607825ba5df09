"""What a training reads: images and masks kept between epochs, and what a frozen encoder makes of them."""

from .frozen_states import FrozenStatesDataset
from .items import PairReader
from .seeded_cache_dataset import SeededCacheDataset

__all__ = ["FrozenStatesDataset", "PairReader", "SeededCacheDataset"]
