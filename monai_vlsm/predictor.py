"""For notebooks and scripts: load a bundle once, encode an image once, ask for many prompts."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from monai.data import MetaTensor
from torch import nn

from monai_vlsm.bundle import bundle_parser, parsed_content
from monai_vlsm.calibration import IDENTITY, Calibration
from monai_vlsm.data.paraphrases import paraphrases as other_wordings
from monai_vlsm.errors import DataError
from monai_vlsm.inferers.case_scorer import CaseScorer
from monai_vlsm.inferers.prompt_embeddings import PromptEmbeddings
from monai_vlsm.inferers.prompt_inferer import scored, write_stored
from monai_vlsm.networks import load_checkpoint
from monai_vlsm.networks.nets import ImageFeatures
from monai_vlsm.transforms import LoadImageAnyd, ToDisplayRanged
from monai_vlsm.transforms.display_range import check_values, to_display_range
from monai_vlsm.transforms.load import name_of
from monai_vlsm.transforms.network_input import network_input
from monai_vlsm.transforms.presence import presence_score, warn_emptied
from monai_vlsm.transforms.upright import UprightView, upright_parts

KEPT_SLICES = 256
"""Slices of a volume whose features are kept for further prompts; those of CLIPSeg take 4.5 MB a slice."""


@dataclass(frozen=True)
class Prediction:
    """What a prompt found in an image: (H, W) for arrays and raster files, the axes of the file for volumes.

    Args:
        mask: bool; True where the probability reaches the threshold, nowhere if the presence is too low.
        probability: float32 in [0, 1].
        prompt: the text.
        presence: how likely it is, from 0 to 1, that what the prompt names is there.
        mean_probability: of the pixels in the mask, before it was emptied; of an empty one, 1 less the largest
            probability of any pixel. Both at the size that the network sees, and not calibrated.
        agreement: mean Dice of the masks of all pairs of wordings; None if the predictor has no paraphrases.
        emptied: whether the presence was too low for the mask.
    """

    mask: np.ndarray
    probability: np.ndarray
    prompt: str
    presence: float
    mean_probability: float
    agreement: float | None = None
    emptied: bool = False


class Predictor:
    """Segment images by text with one network.

    A predictor holds one image at a time. In several threads give each a :meth:`clone`: they share the network and what
    it made of prompts. A prompt is encoded once for all images, and anew after the network was changed.

    Args:
        network: one of :mod:`monai_vlsm.networks`, trained.
        device: where it runs; None is a GPU if there is one, else the CPU.
        batch_size: slices of a volume that are encoded together.
        image_size: height and width in pixels that the network sees; None is the size its backbone was made for.
        threshold: probability from which a pixel belongs to the mask; or "best_dice" or "risk_control", which the
            calibration has a number for.
        calibration: by which probabilities and presence are meant, see :func:`monai_vlsm.calibration.read_calibration`.
        min_presence: presence below which a mask is empty, with a warning; 0 empties none; None is the cut of the
            calibration, if it has one.
        precision: in which the network computes from now on, see :class:`monai_vlsm.networks.CLIPSegDenseAdapter`; None
            leaves it as it is.
        paraphrases: other wordings of each prompt, whose masks are compared with its own for the agreement.
    """

    def __init__(
        self,
        network: nn.Module,
        device: str | torch.device | None = None,
        batch_size: int = 8,
        image_size: int | None = None,
        threshold: float | str = 0.5,
        precision: str | None = None,
        calibration: Calibration = IDENTITY,
        min_presence: float | None = None,
        paraphrases: int = 0,
    ) -> None:
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.network = cast(Any, network.to(self.device).eval())
        if precision is not None:
            self.network.set_precision(precision)
        self.batch_size = batch_size
        self.image_size: int = image_size or cast(Any, network).image_size
        self.threshold = threshold
        self.calibration = calibration
        self.min_presence = min_presence
        self.paraphrases = paraphrases
        self._embeddings = PromptEmbeddings()
        self._features: list[ImageFeatures] = []
        self._view = UprightView()
        self._image: torch.Tensor | None = None
        self._name = ""

    @classmethod
    def from_bundle(
        cls,
        path: str | Path,
        backbone: str | None = None,
        device: str | torch.device | None = None,
        trust: bool = False,
        precision: str | None = None,
    ) -> Predictor:
        """Load network, checkpoint, image size, threshold and calibration of a bundle folder.

        No code of the bundle is run unless you trust it.

        Args:
            path: of the folder, for example ``bundles/busi``.
            backbone: in place of the bundle's own, see :func:`monai_vlsm.networks.load_backbone`.
            device: as for the constructor.
            trust: also run what this package's own bundles do not have in ``inference.json``. It can be any code.

        Raises:
            MissingFileError: if the folder is no bundle, or has no ``models/model.pt``.
            DataError: if the checkpoint or the calibration does not fit, or ``inference.json`` has code of its own.
        """
        parser = bundle_parser(path, backbone, trust)
        network = load_checkpoint(parsed_content(parser, "network_def"), parsed_content(parser, "checkpoint"))
        settings = {key: parsed_content(parser, key) for key in ("image_size", "threshold")}
        # A configuration of an older version, which is run as it is if it is trusted, has none of these.
        newer = {"calibration": IDENTITY, "min_presence": None, "paraphrases": 0}
        settings |= {key: parsed_content(parser, key, default=value) for key, value in newer.items()}
        return cls(network, device, precision=precision, **settings)

    def clone(self) -> Predictor:
        """Return a predictor without image on the same network, for another thread."""
        cloned = copy.copy(self)
        cloned._features, cloned._image = [], None
        return cloned

    @torch.inference_mode()
    def set_image(self, image: str | Path | Sequence[str | Path] | np.ndarray | MetaTensor) -> Predictor:
        """Encode an image, for all prompts that follow.

        Volumes of more than 256 slices are encoded anew for every prompt, because their features would fill the memory.

        Args:
            image: a file of any format that bundles read; a folder that holds a DICOM series, or its files; what
                :func:`read_image` made of one of these; or an upright array (H, W) or (H, W, 3), uint8 or any other
                numbers, as PIL and OpenCV (after BGR to RGB) give it.

        Returns:
            The predictor itself, so that ``set_image(...).predict(...)`` reads well.

        Raises:
            MissingFileError, DataError: if the file or array cannot be used.
        """
        if isinstance(image, np.ndarray):
            self._name = "the image array"
            loaded, view = _from_array(image), UprightView(swap=False)
        else:
            loaded = image if isinstance(image, MetaTensor) else read_image(image)
            self._name, view = name_of(loaded), UprightView.of(loaded)
        self._image, self._view, self._features = loaded.as_subclass(torch.Tensor), view, []
        if loaded.ndim == 3 or loaded.shape[-1] <= KEPT_SLICES:
            self._features = list(self._encode())
        return self

    @torch.inference_mode()
    def predict(
        self, prompt: str, threshold: float | str | None = None, min_presence: float | None = None
    ) -> Prediction:
        """Segment what ``prompt`` names in the image that was set.

        Args:
            prompt: free text.
            threshold, min_presence: in place of the predictor's own.

        Raises:
            DataError: if no image was set, the prompt is not a string, or the calibration has no such threshold.
        """
        (found,) = self.predict_each([prompt], threshold, min_presence)
        return found

    def predict_each(
        self, prompts: Sequence[str], threshold: float | str | None = None, min_presence: float | None = None
    ) -> Iterator[Prediction]:
        """Yield what :meth:`predict` gives for each prompt, which are looked up together.

        All are of the image that is set now, also where another one is set before the last of them is asked for.

        Raises:
            DataError: as :meth:`predict` does, or if ``prompts`` is a single text.
        """
        if self._image is None:
            raise DataError("no image yet: call set_image first.")
        if isinstance(prompts, str):
            raise DataError(
                f"expected a list of prompts, not the text {prompts!r}: give [{prompts!r}], or use predict."
            )
        texts = list(prompts)
        for prompt in texts:
            if not isinstance(prompt, str):
                raise DataError(f"a prompt must be a string, not {prompt!r} of type {type(prompt).__name__}.")
        threshold = self.threshold if threshold is None else threshold
        least = self.calibration.least_presence(self.min_presence if min_presence is None else min_presence, threshold)
        return copy.copy(self)._predict_each(texts, self.calibration.probability(threshold), least)

    @torch.inference_mode()
    def _predict_each(self, prompts: list[str], limit: float, least: float) -> Iterator[Prediction]:
        wordings = [[prompt, *other_wordings(prompt, self.paraphrases)] for prompt in prompts]
        embeddings = iter(self._embeddings.of_all(self.network, [text for texts in wordings for text in texts]))
        for prompt, texts in zip(prompts, wordings, strict=True):
            yield self._predict(prompt, list(islice(embeddings, len(texts))), limit, least)

    def _predict(self, prompt: str, embeddings: Sequence[torch.Tensor], limit: float, least: float) -> Prediction:
        """Segment by the embeddings of a prompt and of its other wordings, from a probability and a presence on."""
        scorer = CaseScorer(self.calibration.logit(limit))
        stored = self._logits(embeddings, scorer)
        presence = self.calibration.presence(presence_score(stored[None]))
        from_raster_file = stored.ndim == 2 and self._view.swap
        probability = (stored.T if from_raster_file else stored).div_(self.calibration.temperature).sigmoid_().numpy()
        emptied = presence < least
        if emptied:
            warn_emptied(self._name, prompt, presence, least)
        agreement = scorer.agreement() if self.paraphrases else None
        mask = probability >= (np.inf if emptied else limit)
        return Prediction(mask, probability, prompt, presence, scorer.mean_probability(), agreement, emptied)

    def _logits(self, embeddings: Sequence[torch.Tensor], scorer: CaseScorer) -> torch.Tensor:
        """Return logits of the size of the image, with its axes as they are stored; the scorer sees all wordings."""
        logits = (
            [self.network.decode(features, embedding) for embedding in embeddings]
            for features in self._features or self._encode()
        )
        stored = torch.empty(cast(torch.Tensor, self._image).shape[1:])
        write_stored(scored(logits, scorer), self._view, stored)
        return stored

    def _encode(self) -> Iterator[ImageFeatures]:
        """Yield the features of the image, some slices at a time."""
        for pictures in upright_parts(cast(torch.Tensor, self._image), self._view, self.batch_size):
            yield self.network.encode_image(network_input(pictures.to(self.device), self.image_size))


def read_image(image: str | Path | Sequence[str | Path]) -> MetaTensor:
    """Return an image as :meth:`Predictor.set_image` reads it, for it to take; another thread may do that meanwhile.

    Raises:
        MissingFileError, DataError: if it cannot be used.
    """
    return ToDisplayRanged("image")(LoadImageAnyd("image")({"image": image}))["image"]


def _from_array(image: np.ndarray) -> torch.Tensor:
    if image.size == 0 or image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)):
        raise DataError(f"an image array must be (H, W) or (H, W, 3), not of shape {image.shape}.")
    if image.dtype.kind not in "biuf":
        raise DataError(f"an image array must hold whole or real numbers, not {image.dtype}.")
    values = np.ascontiguousarray(image, dtype=np.uint8 if image.dtype in (bool, np.uint8) else np.float32)
    tensor = torch.from_numpy(values[None] if image.ndim == 2 else np.moveaxis(values, -1, 0))
    check_values(tensor, "the image array")
    return to_display_range(tensor)
