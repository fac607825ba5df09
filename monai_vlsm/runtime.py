"""Segment images by text with onnxruntime and numpy alone, from a folder that ``monai-vlsm export`` wrote.

This file imports nothing of the package: an export has a copy of it, which may be taken to any machine. From a shell:
``python runtime.py photo.png "polyp"``, in the folder of the export; reading image files takes Pillow.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from heapq import heappop, heappush
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FORMAT = 1
"""Of the card."""
CARD = "card.json"
PARTS = ("image_encoder", "text_encoder", "decoder")
TOKENIZER = "tokenizer.json"
CPU = ("CPUExecutionProvider",)

_NUMBERS = ("temperature", "threshold", "min_presence", "presence_slope", "presence_offset")
_CARD = {
    "files": dict,
    "image": {"size": int, "mean": list, "std": list},
    "text": {"prompt": str, "max_tokens": int, "start": int, "end": int, "unknown": int, "special": dict},
    "mask": {**dict.fromkeys(_NUMBERS, int | float), "score": {"share": float, "most": int}},
}
_SAMPLES = 1_000_000
_CONTRACTION = re.compile("'s|'t|'re|'ve|'m|'ll|'d")
_RUN = re.compile("L+|N| +|[^LN ]+")
_SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+")


class Prediction(NamedTuple):
    """What a prompt found: ``mask`` (H, W) bool, ``probability`` (H, W) float32, and ``presence`` from 0 to 1."""

    mask: np.ndarray
    probability: np.ndarray
    prompt: str
    presence: float


class Runtime:
    """Encode an image once, and ask for many prompts, as ``monai_vlsm.Predictor`` does.

    Args:
        folder: that ``monai-vlsm export`` wrote.
        threads: of the processor; 0 is all.
        providers: of onnxruntime, such as ``["CUDAExecutionProvider"]``.

    Raises:
        FileNotFoundError: if a file is missing.
        ValueError: if a file is not the one that the card names, or the card is of another format.
    """

    def __init__(self, folder: str | Path, threads: int = 0, providers: Sequence[str] = CPU) -> None:
        import onnxruntime

        folder = Path(folder)
        files = {name: folder / f"{name}.onnx" for name in PARTS} | {TOKENIZER: folder / TOKENIZER}
        self.card: dict[str, Any] = read_card(folder / CARD)
        for path in files.values():
            _require_same(path, self.card["files"].get(path.name))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        sessions = (onnxruntime.InferenceSession(files[name], options, list(providers)) for name in PARTS)
        self._run = {name: session.run for name, session in zip(PARTS, sessions, strict=True)}
        self.tokenizer = Tokenizer(json.loads(files[TOKENIZER].read_text(encoding="utf-8")), self.card["text"])
        self._embeddings: dict[str, np.ndarray] = {}
        self._states: np.ndarray | None = None
        self._size = (0, 0)

    def set_image(self, image: np.ndarray | str | Path) -> Runtime:
        """Encode an image, for all prompts that follow: a picture's file, or an upright array (H, W) or (H, W, 3)."""
        values = image if isinstance(image, np.ndarray) else read_picture(image)
        self._states = self._run["image_encoder"](None, {"image": network_input(values, **self.card["image"])})[0]
        self._size = values.shape[:2]
        return self

    def predict(
        self, prompt: str | None = None, threshold: float | None = None, min_presence: float | None = None
    ) -> Prediction:
        """Segment what ``prompt`` names in the image that was set; None stands for what the card says."""
        if self._states is None:
            raise ValueError("no image yet: call set_image first.")
        facts = self.card["mask"]
        prompt = self.card["text"]["prompt"] if prompt is None else prompt
        logits = self._run["decoder"](None, {"states": self._states, "text_embedding": self._embedding(prompt)})[0]
        logits = resized(logits[0, 0], self._size, antialias=False)
        score = presence_score(logits, **facts["score"])
        presence = float(_sigmoid(facts["presence_slope"] * score + facts["presence_offset"]))
        probability = _sigmoid(logits / np.float32(facts["temperature"]))
        mask = probability >= (facts["threshold"] if threshold is None else threshold)
        if presence < (facts["min_presence"] if min_presence is None else min_presence):
            mask[:] = False
        return Prediction(mask, probability, prompt, presence)

    def _embedding(self, prompt: str) -> np.ndarray:
        if prompt not in self._embeddings:
            ids = np.array([self.tokenizer(prompt)], dtype=np.int64)
            self._embeddings[prompt] = self._run["text_encoder"](None, {"input_ids": ids})[0]
        return self._embeddings[prompt]


class Tokenizer:
    """The byte pair encoding of CLIP.

    Args:
        document: a ``tokenizer.json`` of the library tokenizers.
        facts: ``start``, ``end`` and ``unknown`` id, ``special`` ids by text, and ``max_tokens``.
    """

    def __init__(self, document: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        model = document["model"]
        pairs = (pair.split(" ") if isinstance(pair, str) else pair for pair in model["merges"])
        self._ids: dict[str, int] = model["vocab"]
        self._ranks = {tuple(pair): rank for rank, pair in enumerate(pairs)}
        self._facts = facts
        self._special = re.compile("|".join(map(re.escape, facts["special"])))
        self._letters = _byte_letters()

    def __call__(self, text: str) -> list[int]:
        """Return the ids of a text between those of its start and end, at most ``max_tokens``."""
        if not isinstance(text, str):
            raise ValueError(f"a prompt must be a string, not {text!r} of type {type(text).__name__}.")
        return [self._facts["start"], *islice(self._all_ids(text), self._facts["max_tokens"] - 2), self._facts["end"]]

    def _all_ids(self, text: str) -> Iterator[int]:
        at = 0
        for found in self._special.finditer(text):
            yield from self._plain_ids(text[at : found.start()])
            yield self._facts["special"][found[0]]
            at = found.end()
        yield from self._plain_ids(text[at:])

    def _plain_ids(self, text: str) -> Iterator[int]:
        for word in words(text):
            letters = [self._letters[byte] for byte in word.encode("utf-8", "replace")]
            for part in self._merged([*letters[:-1], f"{letters[-1]}</w>"]):
                yield self._ids.get(part, self._facts["unknown"])

    def _merged(self, parts: list[str]) -> list[str]:
        """Join neighbors in the order of the list of merges, of equal ones the first, until none is in it."""
        after, before = list(range(1, len(parts) + 1)), list(range(-1, len(parts)))
        waiting: list[tuple[int, int, str, str]] = []

        def look_at(left: int, right: int) -> None:
            if left >= 0 and right < len(parts) and (pair := (parts[left], parts[right])) in self._ranks:
                heappush(waiting, (self._ranks[pair], left, *pair))

        for left in range(len(parts) - 1):
            look_at(left, left + 1)
        while waiting:
            _, left, first, second = heappop(waiting)
            right = after[left]
            if right < len(parts) and (parts[left], parts[right]) == (first, second):
                parts[left], parts[right] = first + second, ""
                after[left] = after[right]
                before[after[left]] = left
                look_at(before[left], left)
                look_at(left, after[left])
        return [part for part in parts if part]


def words(text: str) -> Iterator[str]:
    """Cut a text as CLIP does: runs of letters, single digits, runs of other signs; all in lower case."""
    # Letter by letter: of a whole word Python writes the Greek sigma at its end in another way.
    text = "".join(letter.lower() for letter in _SPACE.sub(" ", unicodedata.normalize("NFC", text)))
    kinds = "".join(" " if letter == " " else unicodedata.category(letter)[0] for letter in text)
    at = 0
    while at < len(text):
        end = (_CONTRACTION.match(text, at) or _RUN.match(kinds, at)).end()  # type: ignore[union-attr]
        if kinds[at] != " ":
            yield text[at:end]
        at = end


def _byte_letters() -> list[str]:
    """Return a printable letter for each byte, as GPT-2 chose them."""
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in printable else next(others)) for byte in range(256)]


def read_card(path: Path) -> dict[str, Any]:
    """Return the card of an export, if it is one."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
        if (card["format"], card["kind"]) != (FORMAT, "onnx"):
            raise ValueError(f"it is of the format {card['format']!r} and the kind {card['kind']!r}")
        _require_like(card, _CARD)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{str(path)!r} is no card of ONNX files: {error}. Export the bundle again.") from error
    return card


def _require_like(found: Any, expected: Mapping[str, Any]) -> None:
    for name, kind in expected.items():
        if isinstance(kind, dict):
            _require_like(found[name], kind)
        elif not isinstance(found[name], kind):
            raise ValueError(f"{name!r} is {found[name]!r}")


def _require_same(path: Path, facts: Mapping[str, Any] | None) -> None:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if facts is None or digest != facts["sha256"]:
        raise ValueError(f"{str(path)!r} is not the file that the card names: copy the export again.")


def read_picture(path: str | Path) -> np.ndarray:
    """Return a picture as a viewer shows it: (H, W, 3) uint8, or (H, W) of one with more than 8 bits."""
    from PIL import Image, ImageOps

    with Image.open(path) as opened:
        picture = ImageOps.exif_transpose(opened)
        return np.asarray(picture if picture.mode[0] in "IF" else picture.convert("RGB"))


def network_input(image: np.ndarray, size: int, mean: Sequence[float], std: Sequence[float], **_: Any) -> np.ndarray:
    """Resize and normalize an image (H, W) or (H, W, 3): (1, 3, size, size) float32."""
    if image.size == 0 or image.ndim not in (2, 3) or image.shape[2:] not in ((), (1,), (3,)):
        raise ValueError(f"an image array must be (H, W) or (H, W, 3), not of shape {image.shape}.")
    planes = np.moveaxis(np.atleast_3d(image), 2, 0)
    pictures = [resized(plane, (size, size), antialias=True) for plane in display_range(planes)]
    scale = (np.array(values, dtype=np.float32)[:, None, None] for values in (mean, std))
    return ((np.stack(pictures) - next(scale)) / next(scale))[None].astype(np.float32)


def display_range(values: np.ndarray) -> np.ndarray:
    """Return numbers of any type as float32 in [0, 1]: 8-bit values by 255, others between their percentiles."""
    if values.dtype.kind not in "biuf":
        raise ValueError(f"an image must hold whole or real numbers, not {values.dtype}.")
    if values.dtype in (bool, np.uint8):
        return values.astype(np.float32) / np.float32(255)
    values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise ValueError("the image holds values that are not finite (NaN or infinite): replace them first.")
    if values.min() >= 0 and values.max() <= 255 and (values == values.round()).all():
        return values / np.float32(255)
    sample = values.reshape(-1)[:: max(1, values.size // _SAMPLES)]
    low, high = np.quantile(sample, np.array([0.005, 0.995], dtype=np.float32))
    return np.clip((values - low) / max(high - low, 1e-8), 0, 1)


def resized(image: np.ndarray, size: tuple[int, int], antialias: bool) -> np.ndarray:
    """Resize (H, W) bilinearly to ``size``, as PyTorch does."""
    rows, columns = (_weights(*lengths, antialias) for lengths in zip(image.shape, size, strict=True))
    return rows @ image @ columns.T


def _weights(length: int, wanted: int, antialias: bool) -> np.ndarray:
    """Return (wanted, length): how much of each pixel goes into each new one."""
    scale = length / wanted
    centers = (np.arange(wanted) + 0.5) * scale
    if not antialias:
        centers = np.clip(centers, 0.5, length - 0.5)
    distances = np.abs(np.arange(length) + 0.5 - centers[:, None]) / (max(scale, 1) if antialias else 1)
    weights = np.clip(1 - distances, 0, None)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


def presence_score(logits: np.ndarray, share: float, most: int) -> float:
    """Return the mean of the highest ``share`` of the logits (H, W), of which at most about ``most`` rows are read."""
    rows, columns = (max(1, length // most) for length in logits.shape)
    pixels = np.sort(logits[::rows, ::columns], axis=None)
    return float(pixels[-max(1, round(share * pixels.size)) :].mean())


def _sigmoid(logits: Any) -> Any:
    return np.float32(1) / (np.float32(1) + np.exp(-np.clip(logits, -80, 80)))


def main() -> None:
    """Segment a picture from the command line."""
    from PIL import Image

    parser = argparse.ArgumentParser(description="Segment a picture by text.")
    parser.add_argument("image", help="PNG, JPG, TIFF ...")
    parser.add_argument("prompt", nargs="*", help="what to segment, a mask each (default: the card's)")
    options = parser.parse_args()
    runtime = Runtime(Path(__file__).parent).set_image(options.image)
    for number, prompt in enumerate(options.prompt or [None]):
        found = runtime.predict(prompt)
        out = Path(options.image).with_suffix(f".mask{number or ''}.png")
        Image.fromarray(found.mask.astype(np.uint8) * 255).save(out)
        print(f"{out}: {found.prompt!r}, {found.mask.sum()} pixels, presence {found.presence:.3f}")


if __name__ == "__main__":
    main()
