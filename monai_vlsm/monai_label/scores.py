"""What a network sees in the images of the studies, found out while the server has nothing else to do."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from monai_vlsm.bundle import CALIBRATION, MODEL, bundle_config
from monai_vlsm.data.whole import file_sha256
from monai_vlsm.errors import UserError
from monai_vlsm.monai_label.refusals import logged_reason
from monai_vlsm.monai_label.studies import Studies
from monai_vlsm.networks.nets import ImageFeatures
from monai_vlsm.predictor import Predictor
from monai_vlsm.statistics.next_image import Chances, Seen, draw, mean_entropy
from monai_vlsm.transforms.case_scores import LOOK, MEAN_PROBABILITY
from monai_vlsm.transforms.presence import PRESENCE

SEEN = "seen"
"""Key in the information of an image."""
ENTROPY, ERROR, STATE = "entropy", "error", "model"
LOOK_BELOW = 0.9
"""Mean probability below which somebody should look, in bundles of versions that have no number for it."""
_DAY = 24 * 3600
_logger = logging.getLogger(__name__)


def seen_in(info: Mapping[str, Any]) -> Seen | None:
    """Return what a network saw in an image, by its information; None if it has not looked, or could not."""
    known = info.get(SEEN, {})
    return None if ERROR in known or PRESENCE not in known else Seen(known[PRESENCE], known[ENTROPY])


def offered(
    infos: Mapping[str, Mapping[str, Any]], strategy: str, chances: Chances, labels: int, rng: np.random.Generator
) -> str:
    """Draw the name of an image to label; one that was offered a moment ago hardly comes again, to anybody.

    Images that the network could not read come when no others are left.

    Args:
        infos: what is known of each image without label, one at least.
        strategy: name under which MONAI Label notes when it offered an image.
        chances: of the images, from what was seen in them.
        labels: how many images have one.
        rng: source of randomness.
    """
    readable = {image: info for image, info in infos.items() if ERROR not in info.get(SEEN, {})} or infos
    offers = [info.get("strategy", {}).get(strategy, {}).get("ts", 0) for info in readable.values()]
    waited = np.clip(time.time() - np.array(offers, dtype=float), 0, _DAY)
    drawn = draw(chances([seen_in(info) for info in readable.values()], labels) * waited, rng)
    return list(readable)[drawn]


class Idleness:
    """Waits until a server has nothing to do.

    Args:
        is_busy: whether it has, now.
        patience: seconds for which it must have had nothing to do.
    """

    def __init__(self, is_busy: Callable[[], bool], patience: float = 1.0) -> None:
        self._is_busy = is_busy
        self._patience = patience
        self._last = -patience

    def wait(self) -> None:
        """Return when nothing runs, and nothing was seen to run a moment ago."""
        while True:
            if self._is_busy():
                self._last = time.monotonic()
            elif time.monotonic() - self._last >= self._patience:
                return
            time.sleep(self._patience / 4)


class _PatientPredictor(Predictor):
    """A predictor that lets requests pass between the parts of a volume."""

    wait: Callable[[], None] = staticmethod(lambda: None)

    def _encode(self) -> Iterator[ImageFeatures]:
        for features in super()._encode():
            yield features
            self.wait()


class Looker:
    """Looks at images with the model of a bundle that is there at the time, and its own prompt.

    Args:
        bundle: folder of the bundle.
        check: raises if the bundle is not what was checked.
        wait: returns when the server has nothing else to do.
    """

    def __init__(self, bundle: Path, check: Callable[[], None], wait: Callable[[], None]) -> None:
        self._bundle = bundle
        self._check = check
        self.wait = wait
        self._files: list[tuple[int, int] | None] = []
        self._state = ""
        self._loaded: tuple[str, Predictor, str, float] | None = None

    def state(self) -> str:
        """Return digits that tell the present model and calibration from others."""
        paths = [self._bundle / name for name in (MODEL, CALIBRATION)]
        files = [(path.stat().st_mtime_ns, path.stat().st_size) if path.exists() else None for path in paths]
        if files != self._files:
            digests = [file_sha256(path)[:16] for path in paths if path.exists()]
            self._files, self._state = files, "-".join(digests)
        return self._state

    def ready(self) -> str:
        """Load the model if it is another one than before, and return its state."""
        state = self.state()
        if self._loaded is None or self._loaded[0] != state:
            self._check()
            config = json.loads(bundle_config(self._bundle, "inference").read_text(encoding="utf-8"))
            # What the server runs was checked when it started; its own requests run it, too.
            predictor = cast(_PatientPredictor, _PatientPredictor.from_bundle(self._bundle, trust=True))
            predictor.wait = self.wait
            self._loaded = state, predictor, config["prompt"], config.get("look_below", LOOK_BELOW)
        return state

    def look(self, path: Path) -> dict[str, Any]:
        """Return scores of an image, which can be written as JSON; :meth:`ready` comes first."""
        _, predictor, prompt, look_below = cast(Any, self._loaded)
        found = predictor.set_image(path).predict(prompt, min_presence=0)
        return {
            PRESENCE: round(found.presence, 4),
            ENTROPY: round(mean_entropy(found.probability), 6),
            MEAN_PROBABILITY: round(found.mean_probability, 4),
            LOOK: bool(found.mean_probability < look_below),
        }


class BackgroundScores:
    """Look at all images, those without label first, and again when there is another model; write what was seen.

    It goes on where another process was stopped, because the scores lie with the images.

    Args:
        studies: whose images are looked at.
        looker: who looks.
        write_every: seconds between writes: each writes what is known of all images.
        rest: seconds until it looks again for something to do.
    """

    def __init__(self, studies: Studies, looker: Any, write_every: float = 20.0, rest: float = 5.0) -> None:
        self._studies = studies
        self._looker = looker
        self._write_every = write_every
        self._rest = rest
        self._found: dict[str, dict[str, Any]] = {}
        self._unread: dict[str, tuple[int, int] | None] = {}
        self._written = time.monotonic()

    def start(self) -> None:
        """Work in a thread that ends with the process."""
        threading.Thread(target=self._work, name="scores", daemon=True).start()

    def run_once(self) -> None:
        """Look at all images that the present model has not looked at; begin anew when it is another one."""
        state = self._looker.state()
        try:
            for image in self._waiting(state):
                self._looker.wait()
                if self._looker.ready() != state:
                    break
                self._found[image] = {SEEN: {STATE: state, **self._seen(image)}}
                if time.monotonic() - self._written >= self._write_every:
                    self._write()
        finally:
            self._write()

    def _seen(self, image: str) -> dict[str, Any]:
        self._unread[image] = self._file(image)  # as it is before: it may still be being copied
        try:
            found = dict(self._looker.look(self._studies.image_path(image)))
            del self._unread[image]
            return found
        except Exception as error:  # one image never keeps the others from being looked at
            return {ERROR: logged_reason(f"the image {image!r} cannot be looked at", error)}

    def _work(self) -> None:
        while True:
            try:
                self.run_once()
            except Exception:
                _logger.exception("images are not scored for now")
                time.sleep(10 * self._rest)
            time.sleep(self._rest)

    def _waiting(self, state: str) -> list[str]:
        images = dict.fromkeys([*self._studies.get_unlabeled_images(), *self._studies.list_images()])
        return [one for one in images if self._is_unseen(one, state)]

    def _is_unseen(self, image: str, state: str) -> bool:
        """Tell whether the model has not looked at an image, or could not read it when its file was another one."""
        was_mended = image in self._unread and self._unread[image] != self._file(image)
        return was_mended or self._studies.get_image_info(image).get(SEEN, {}).get(STATE) != state

    def _file(self, image: str) -> tuple[int, int] | None:
        """Return what tells the present file of an image from others."""
        try:
            status = self._studies.image_path(image).stat()
        except (UserError, OSError):
            return None
        return status.st_size, status.st_mtime_ns

    def _write(self) -> None:
        if self._found:
            self._studies.update_image_infos(self._found)
        self._found, self._written = {}, time.monotonic()
