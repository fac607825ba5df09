"""Pictures mirrored and turned at random, with prompts that still say where things are."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform

from monai_vlsm.data.prompt_symmetry import SYMMETRIES
from monai_vlsm.transforms.prompt import PROMPT


class RandSymmetryd(RandomizableTransform, MapTransform):
    """Mirror or turn squares by quarters, and rewrite the prompt, which MONAI's transforms do not.

    Each of the eight ways is as likely, among those that the prompt allows: one that asks for the "left kidney" leaves
    the picture as it is.

    Args:
        keys: of pictures and masks (..., S, S), upright.
    """

    def __init__(self, keys: KeysCollection = ("image", "label"), allow_missing_keys: bool = False) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace pictures, masks and ``prompt`` (string)."""
        result = dict(data)
        prompts = {symmetry: symmetry.moved(result[PROMPT]) for symmetry in SYMMETRIES}
        possible = [symmetry for symmetry in SYMMETRIES if prompts[symmetry] is not None]
        symmetry = possible[self.R.randint(len(possible))]
        result[PROMPT] = prompts[symmetry]
        for key in self.key_iterator(result):
            picture = result[key].flip(-1) if symmetry.mirrored else result[key]
            result[key] = picture.rot90(symmetry.turns, (-2, -1))
        return result
