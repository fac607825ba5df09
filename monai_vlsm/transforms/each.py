"""What transforms share that replace the values under their keys one by one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.transforms import MapTransform


class EachKeyd(MapTransform):
    """Replace what stands under each key by what ``convert`` makes of it; subclasses say what that is."""

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Return the data with the values replaced."""
        return {**data, **{key: self.convert(data[key]) for key in self.key_iterator(data)}}

    def convert(self, value: Any) -> Any:
        """Return what takes the place of a value."""
        raise NotImplementedError
