"""From an image of any size, as it was read, to logits of the same size and orientation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from monai.utils import convert_to_dst_type
from torch.nn.functional import interpolate

from monai_vlsm.data.paraphrases import paraphrases
from monai_vlsm.errors import DataError
from monai_vlsm.inferers.case_scorer import CaseScorer
from monai_vlsm.inferers.prompt_embeddings import Prompt, PromptEmbeddings, Tokens
from monai_vlsm.networks.nets.prompted import PromptedNetwork
from monai_vlsm.networks.text import tokenize
from monai_vlsm.transforms.case_scores import AGREEMENT, MEAN_PROBABILITY
from monai_vlsm.transforms.network_input import network_input
from monai_vlsm.transforms.prompt import PROMPT
from monai_vlsm.transforms.upright import UprightView, upright_parts


class PromptInferer(Inferer):
    """Segment whole images and volumes: turn slices upright, resize, run the network, resize the logits back.

    Of a volume no more than ``batch_size`` slices are pictures or logits at a time; only the answer has its size. This
    package's networks encode a prompt once, also for the calls that follow; any other callable gets tokens every time.

    Args:
        prompt: what to segment in images that bring no prompt of their own (:class:`.AttachPromptd`); None leaves it to
            the tokens given with the call, or to the network's default prompt.
        image_size: height and width in pixels that the network sees; None is the size its backbone was made for.
        batch_size: slices per run of the network.
        paraphrases: other wordings of each prompt whose masks are compared with its own, from one encoding of the image
            and at the size that the network sees; the answer stays what it is without. Its metadata get ``agreement``
            (NaN where there are none, or the prompt is given as tokens) and ``mean_probability``, each (B,), see
            :class:`.CaseScoresd`. None computes neither.
        limit: logit from which a pixel belongs to these masks.
    """

    def __init__(
        self,
        prompt: str | None = None,
        image_size: int | None = None,
        batch_size: int = 8,
        paraphrases: int | None = None,
        limit: float = 0.0,
    ) -> None:
        self.prompt = prompt
        self.image_size = image_size
        self.batch_size = batch_size
        self.paraphrases = paraphrases
        self.limit = limit
        self._embeddings = PromptEmbeddings()

    @torch.no_grad()
    def __call__(
        self,
        inputs: torch.Tensor,
        network: Callable[..., torch.Tensor],
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Segment a batch.

        Args:
            inputs: (B, C, W, H) or (B, C, W, H, D) as :class:`.ToDisplayRanged` gives it, uint8 or float in [0, 1];
                C is 1 or 3.
            network: takes ``image``, ``input_ids`` and ``attention_mask``, gives logits of the image's size.
            input_ids: (B, L) or (1, L); used when neither the images nor the inferer have a prompt.
            attention_mask: of the shape of ``input_ids``.

        Returns:
            (B, 1, W, H) or (B, 1, W, H, D) float32 logits with the metadata of ``inputs``.
        """
        bare: Any = getattr(network, "module", network)
        image_size = self.image_size or bare.image_size
        prompts = self._prompts(inputs, input_ids, attention_mask)
        # In the order of the image in memory, in which it is written and read fastest.
        result = torch.empty_like(inputs.as_subclass(torch.Tensor)[:, :1], dtype=torch.float32)
        scorers = [] if self.paraphrases is None else [CaseScorer(self.limit) for _ in prompts]
        for index, (image, prompt) in enumerate(zip(inputs.as_subclass(torch.Tensor), prompts, strict=True)):
            view = UprightView.of(inputs, index)
            segment = self._segmenter(network, bare, self._wordings(prompt), inputs.device)
            parts = upright_parts(image, view, self.batch_size)
            logits = (segment(network_input(pictures, image_size)) for pictures in parts)
            write_stored(scored(logits, *scorers[index : index + 1]), view, result[index, 0])
        if isinstance(inputs, MetaTensor) or scorers:
            like = MetaTensor([]).copy_meta_from(inputs, copy_attr=False)
            result = convert_to_dst_type(result, like, device=result.device)[0]
        if scorers:
            meta: dict[str, Any] = result.meta  # type: ignore[attr-defined]
            meta[AGREEMENT] = torch.tensor([scorer.agreement() for scorer in scorers])
            meta[MEAN_PROBABILITY] = torch.tensor([scorer.mean_probability() for scorer in scorers])
        return result

    @torch.no_grad()
    def segment_all(
        self, inputs: torch.Tensor, network: Callable[..., torch.Tensor], prompts: Sequence[str]
    ) -> list[torch.Tensor]:
        """Segment one image by several prompts, from one encoding of it.

        Args:
            inputs: (1, C, W, H) or (1, C, W, H, D), as for a call.
            network: as for a call.
            prompts: in place of that of the image.

        Returns:
            For each prompt (1, W, H) or (1, W, H, D), what a call with it gives.
        """
        bare: Any = getattr(network, "module", network)
        image, view = inputs.as_subclass(torch.Tensor)[0], UprightView.of(inputs, 0)
        segment = self._segmenter(network, bare, prompts, inputs.device)
        parts = upright_parts(image, view, self.batch_size)
        logits = [segment(network_input(pictures, self.image_size or bare.image_size)) for pictures in parts]
        results = []
        for of_prompt in zip(*logits, strict=True):
            results.append(torch.empty_like(image[:1], dtype=torch.float32))
            write_stored(of_prompt, view, results[-1][0])
        return results

    def _wordings(self, prompt: Prompt) -> list[Prompt]:
        """Return a prompt, and behind it what it is compared with."""
        return [prompt, *paraphrases(prompt, self.paraphrases or 0)] if isinstance(prompt, str) else [prompt]

    def _prompts(
        self, inputs: torch.Tensor, input_ids: torch.Tensor | None, attention_mask: torch.Tensor | None
    ) -> list[Prompt]:
        """Return the prompt of each image: its own, else that of the inferer, else that of the call."""
        own = getattr(inputs, "meta", {}).get(PROMPT, self.prompt)
        prompts: list[Prompt]
        if own is not None:
            prompts = list(own) if isinstance(own, list | tuple) else [own]
        elif input_ids is not None:
            masks = [None] * len(input_ids) if attention_mask is None else attention_mask.split(1)
            prompts = [Tokens(ids, mask) for ids, mask in zip(input_ids.split(1), masks, strict=True)]
        else:
            prompts = [None]
        return prompts * len(inputs) if len(prompts) == 1 else prompts

    def _segmenter(
        self, network: Callable[..., torch.Tensor], bare: Any, prompts: Sequence[Prompt], device: torch.device
    ) -> Callable[[torch.Tensor], list[torch.Tensor]]:
        """Return what turns network inputs (N, 3, H, W) into logits (N, 1, H, W) of each prompt."""
        if isinstance(bare, PromptedNetwork):
            embeddings = self._embeddings.of_all(bare, prompts)
            return lambda pictures: _decode_all(bare, pictures, embeddings)
        tokens = [_tokens(bare, prompt, device) for prompt in prompts]
        return lambda pictures: [network(pictures, *ids_and_mask) for ids_and_mask in tokens]


def _decode_all(
    network: PromptedNetwork, pictures: torch.Tensor, embeddings: Sequence[torch.Tensor]
) -> list[torch.Tensor]:
    features = network.encode_image(pictures)
    return [network.decode(features, embedding) for embedding in embeddings]


def _tokens(network: Any, prompt: Prompt, device: torch.device) -> list[torch.Tensor | None]:
    tokens = Tokens(**tokenize(network.tokenizer, prompt)) if isinstance(prompt, str) else prompt or (None, None)
    return [None if part is None else part.to(device) for part in tokens]


def scored(parts: Iterable[list[torch.Tensor]], scorer: CaseScorer | None = None) -> Iterator[torch.Tensor]:
    """Pass on the logits of the prompt itself, and show those of all its wordings to the scorer."""
    for logits in parts:
        if scorer is not None:
            scorer.add(logits)
        yield logits[0]


def write_stored(logits: Iterable[torch.Tensor], view: UprightView, out: torch.Tensor) -> None:
    """Bring upright logits, part by part, to the size and axes of a stored image.

    Args:
        logits: parts (n, 1, h, w) of all slices.
        view: of the image.
        out: (W, H[, D]) of the image, to be filled.

    Raises:
        DataError: if a logit is not finite: its mask would be empty, as if nothing were there.
    """
    size = out.shape[:2][::-1] if view.swap else out.shape[:2]
    slices = iter(out.split(1, dim=-1) if out.ndim == 3 else [out[..., None]])
    are_finite = []  # looked at once, at the end: until then no GPU is waited for
    for part in logits:
        are_finite.append(part.isfinite().all())
        for picture in part:
            resized = interpolate(picture[None], size=tuple(size), mode="bilinear")
            next(slices).copy_(view.undo(resized)[0, 0][..., None])
    if not out.is_meta and not torch.stack(are_finite).all():
        raise DataError(
            "the network gives logits that are not finite: its weights are damaged, or too large for the precision. "
            "Try precision 'float32', or another checkpoint."
        )
