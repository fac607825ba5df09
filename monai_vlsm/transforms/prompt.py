"""From a datalist's prompts to token ids, and from a request's prompt to the inferer."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, Randomizable, Transform
from transformers import CLIPTokenizer

from monai_vlsm.errors import DataError
from monai_vlsm.networks.backbone import Backbone, load_tokenizer
from monai_vlsm.networks.text import tokenize

RANDOM = "random"
PROMPT = "prompt"
"""Metadata key of an image that brings its own prompt."""
NAME = "image_name"
"""Key of the file that an image was read from, in items whose image is a plain tensor."""

_MOST_KNOWN = 4096
"""Prompts whose tokens are kept; they take 5 MB."""


class SelectPromptd(Randomizable, Transform):
    """Choose the prompt of an image out of its entry in the datalist.

    Args:
        level: ``"random"`` draws one of all levels except p0, then one of its sentences, each with equal chance, as the
            paper does in training; a level such as ``"p1"`` takes its first sentence, always the same.
        default: prompt of entries without ``prompts``, such as those that an annotation tool sends.

    Raises:
        DataError: if an entry does not have the level.
    """

    def __init__(self, level: str = RANDOM, default: str = "") -> None:
        self.level = level
        self.default = default

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace ``prompts`` (level -> sentences) by ``prompt`` (string).

        Entries differ in their numbers of sentences, so that ``prompts`` could not be collated into a batch.
        """
        result = dict(data)
        prompts = result.pop("prompts", None)
        result["prompt"] = self._select(prompts, data) if prompts else self.default
        return result

    def _select(self, prompts: Mapping[str, Any], data: Mapping[Hashable, Any]) -> str:
        levels = [level for level in prompts if level != "p0"] if self.level == RANDOM else [self.level]
        if not levels or levels[0] not in prompts:
            image = data.get("image")
            path = (
                image if isinstance(image, str) else getattr(image, "meta", {}).get("filename_or_obj", data.get(NAME))
            )
            name = f" of {path!r}" if path else ""
            raise DataError(
                f"prompt level {self.level!r} is not in the datalist entry{name}, it has {sorted(prompts)}. "
                "Write the datalist anew with 'python -m monai_vlsm prepare', or choose one of these as 'prompt_level'."
            )
        level = levels[self.R.randint(len(levels))] if self.level == RANDOM else self.level
        sentences = [prompts[level]] if isinstance(prompts[level], str) else list(prompts[level])
        return sentences[self.R.randint(len(sentences))] if self.level == RANDOM else sentences[0]


class TokenizePromptd(MapTransform):
    """Turn prompts into ``input_ids`` and ``attention_mask``, each (L,) int64 with L = 77.

    Equal prompts get the same tensors, which must stay as they are.

    Args:
        keys: of the prompts (strings); with several keys, the last one wins.
        backbone: whose tokenizer is used: hub id, local folder or ``"tiny"``.
        tokenizer: in place of that of a backbone, for example ``network.tokenizer``.
    """

    def __init__(
        self,
        keys: KeysCollection = "prompt",
        backbone: str | Backbone | None = None,
        tokenizer: CLIPTokenizer | None = None,
    ) -> None:
        super().__init__(keys)
        self.tokenizer = load_tokenizer(backbone) if tokenizer is None else tokenizer
        self._known: dict[str, dict[str, torch.Tensor]] = {}

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the tokens to ``data``."""
        result = dict(data)
        for key in self.key_iterator(result):
            result.update(self._tokens(result[key]))
        return result

    def _tokens(self, prompt: str) -> dict[str, torch.Tensor]:
        """Look a prompt up; threads that miss one at the same time all make its tokens, and those are equal."""
        found = self._known.get(prompt) if isinstance(prompt, str) else None
        if found is None:
            found = {name: tokens[0] for name, tokens in tokenize(self.tokenizer, [prompt]).items()}
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[prompt] = found
        return found


class AttachPromptd(MapTransform):
    """Write the prompt that comes with an image into its metadata, where :class:`.PromptInferer` finds it.

    An annotation server hands nothing but the image to the inferer, and a prompt that went through the configuration
    would be read as code where it begins with ``$``, and by all requests that run at the same time.

    Args:
        keys: of the images (MetaTensors).
        default: prompt of images that come with none, or with a blank one.

    Raises:
        DataError: if a prompt is not a string.
    """

    def __init__(self, keys: KeysCollection, default: str, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.default = default

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Read ``prompt`` (string), which may be missing."""
        result = dict(data)
        prompt = result.get(PROMPT)
        if not isinstance(prompt, str | None):
            raise DataError(f"a prompt must be a string, not {prompt!r} of type {type(prompt).__name__}.")
        for key in self.key_iterator(result):
            result[key].meta[PROMPT] = prompt if prompt and prompt.strip() else self.default
        return result
