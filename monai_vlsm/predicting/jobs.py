"""What is asked of which image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monai_vlsm.bundle.values import RULES
from monai_vlsm.errors import DataError
from monai_vlsm.predicting.naming import slug
from monai_vlsm.predicting.sources import Source
from monai_vlsm.rules import require_value

WHOLE = "mask"
"""Stands in the name of a mask where an image has one prompt and that no label of its own."""


@dataclass(frozen=True)
class Ask:
    """A prompt, and what its answer is called.

    Args:
        prompt: free text.
        label: name of what it segments; "" where nobody named it.
        value: of its pixels in a label map, from 1 on.
    """

    prompt: str
    label: str
    value: int

    @property
    def name(self) -> str:
        """The label, or the prompt where there is none."""
        return self.label or self.prompt


@dataclass(frozen=True)
class Job:
    """An image with all that is asked of it.

    Args:
        source: the image.
        asks: at least one, with values of their own.
        shown: whether an overlay is drawn.
    """

    source: Source
    asks: tuple[Ask, ...]
    shown: bool = False

    def slugs(self) -> list[str]:
        """Return what stands for each prompt in the names of files.

        Raises:
            DataError: if labels differ in nothing that file names can show.
        """
        if len(self.asks) == 1 and not self.asks[0].label:
            return [WHOLE]
        plain = [slug(ask.name) for ask in self.asks]
        folded = [name.casefold() for name in plain]
        numbered = [
            f"{name}-{ask.value}" if folded.count(name.casefold()) > 1 else name
            for name, ask in zip(plain, self.asks, strict=True)
        ]
        if len({name.casefold() for name in numbered}) < len(numbered):
            raise DataError(
                f"the labels of {self.source.shown!r} cannot be told apart in file names: "
                f"{', '.join(repr(ask.name) for ask in self.asks)}. Name them otherwise."
            )
        return numbered


def make_jobs(sources: Sequence[Source], prompts: Sequence[str], shown: int = 0) -> list[Job]:
    """Ask the same of all images; the prompts get the values 1, 2, ...

    Args:
        shown: images, the first ones, that an overlay is drawn of.

    Raises:
        DataError: if a prompt cannot be used, or is there twice.
    """
    for prompt in prompts:
        require_value(RULES["prompt"], prompt, "prompt")
        if prompts.count(prompt) > 1:
            raise DataError(f"the prompt {prompt!r} is given {prompts.count(prompt)} times: once is enough.")
    asks = tuple(Ask(prompt, "", value) for value, prompt in enumerate(prompts, 1))
    return [Job(source, asks, number < shown) for number, source in enumerate(sources)]
