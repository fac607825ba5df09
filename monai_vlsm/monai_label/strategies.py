"""MONAI Label's strategies: which of the images without label comes next, at once, by what was seen so far."""

from __future__ import annotations

from typing import Any

import numpy as np
from monailabel.interfaces.tasks.strategy import Strategy

from monai_vlsm.monai_label.scores import SEEN, offered
from monai_vlsm.statistics.next_image import STRATEGIES, Chances

_DESCRIPTIONS = {
    "random_foreground": "Random among the images in which the model sees something",
    "uncertain": "Random, the likelier the less sure the model is",
}


class NextImage(Strategy):
    """Draw an image without label, see :func:`offered`.

    Args:
        name: under which clients ask for it.
        description: for clients.
        chances: of the images, from what was seen in them.
    """

    def __init__(self, name: str, description: str, chances: Chances) -> None:
        super().__init__(description)
        self._name = name
        self._chances = chances
        self._rng = np.random.default_rng()

    def __call__(self, request: dict[str, Any], datastore: Any) -> dict[str, Any] | None:
        """Return the name of an image and what was seen in it, or None where none is left."""
        infos = {image: datastore.get_image_info(image) for image in datastore.get_unlabeled_images()}
        if not infos:
            return None
        labels = len(datastore.list_images()) - len(infos)
        image = offered(infos, self._name, self._chances, labels, self._rng)
        return {"id": image, SEEN: infos[image].get(SEEN)}


def next_image_strategies() -> dict[str, Strategy]:
    """Return the strategies by name, the default first."""
    return {name: NextImage(name, _DESCRIPTIONS[name], chances) for name, chances in STRATEGIES.items()}
