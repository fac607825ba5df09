"""Where the frozen CLIPSeg weights and their tokenizer come from: a hub id, a local folder, or the shipped ``tiny``."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer
from transformers.utils import cached_file

from monai_vlsm.errors import DataError, MissingFileError, UserError
from monai_vlsm.networks.config import checked_config
from monai_vlsm.networks.fingerprint import fingerprint, first_values_fingerprint
from monai_vlsm.networks.sharing import SharedTensor
from monai_vlsm.networks.text import encode
from monai_vlsm.networks.torch_file import require_regular_file
from monai_vlsm.networks.weights import build_model

DEFAULT_BACKBONE = "CIDAS/clipseg-rd64-refined"
ENVIRONMENT_VARIABLE = "MONAI_VLSM_BACKBONE"
TINY_FOLDER = Path(__file__).parent / "tiny"

_PINNED_REVISIONS = {DEFAULT_BACKBONE: "999e0328d9e10b484360c477313983f9afdd7050"}
_MOST_TEXT_BYTES = 16 << 20
_TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)


@dataclass(frozen=True)
class Backbone:
    """A CLIPSeg whose tensors every network of the process shares.

    Args:
        name: what the user calls it; written into checkpoints.
        model: the loaded model; never changed and never moved to another device.
        tokenizer: its tokenizer, or None where prompts come as token ids only.
    """

    name: str
    model: CLIPSegForImageSegmentation
    tokenizer: CLIPTokenizer | None = None

    @property
    def image_size(self) -> int:
        """Height and width in pixels of the square images that the weights were trained on.

        The published CLIPSegs were trained on 352 pixels (their preprocessor_config.json), while their config.json
        has the 224 pixels of the position embeddings of CLIP, which are interpolated.
        """
        size = int(self.model.config.vision_config.image_size)
        return 352 if size == 224 else size

    @cached_property
    def fingerprint(self) -> str:
        """32 hexadecimal digits over every weight, the configuration and the vocabulary, wherever they came from."""
        digests = {name: tensor.digest for name, tensor in self.shared.items()}
        return fingerprint(self.model.config, self.tokenizer, digests)

    @cached_property
    def first_values_fingerprint(self) -> str:
        """What files of version 0.1.0 carry in place of the fingerprint."""
        return first_values_fingerprint(self.model)

    @cached_property
    def shared(self) -> dict[str, SharedTensor]:
        """The tensors of the model by name, as networks hold them."""
        names, parameters = zip(*self.model.named_parameters(), strict=True)
        with ThreadPoolExecutor(4) as threads:  # 0.5 s for the published weights in one thread, most of it hashing
            return dict(zip(names, threads.map(SharedTensor, parameters), strict=True))

    def save(self, folder: str | Path) -> None:
        """Write weights and tokenizer into a folder that ``load_backbone`` takes."""
        self.model.save_pretrained(folder)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)

    def copy(self, trained: Callable[[str], bool] = lambda name: False) -> CLIPSegForImageSegmentation:
        """Return modules of their own on the same, frozen tensors; those whose name is ``trained`` are cloned."""
        memo: dict[int, Any] = {
            id(parameter): self.shared[name].view()
            for name, parameter in self.model.named_parameters()
            if not trained(name)
        }
        model = copy.deepcopy(self.model, memo)
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(trained(name))
        return model.eval()


def resolve_name(backbone: str | None = None) -> str:
    """Return the hub id, folder or ``"tiny"`` that ``backbone`` stands for.

    None and the default id give way to the environment variable ``MONAI_VLSM_BACKBONE``.
    """
    if backbone in (None, "", DEFAULT_BACKBONE):
        backbone = os.environ.get(ENVIRONMENT_VARIABLE) or DEFAULT_BACKBONE
    return os.path.expanduser(str(backbone))


def load_backbone(backbone: str | Backbone | None = None) -> Backbone:
    """Load a backbone once per process, and once more if somebody wrote into its shared tensors.

    Args:
        backbone: hub id, local folder, ``"tiny"`` or a Backbone (returned as it is).

    Raises:
        MissingFileError: if the folder does not exist, or the hub id is neither cached nor reachable.
        DataError: if the folder holds something that is not CLIPSeg.
    """
    if isinstance(backbone, Backbone):
        return backbone
    loaded = _load(resolve_name(backbone))
    if any(tensor.was_written() for tensor in loaded.shared.values()):
        _load.cache_clear()
        loaded = _load(resolve_name(backbone))
    return loaded


def load_tokenizer(backbone: str | Backbone | None = None, cached_only: bool = False) -> CLIPTokenizer:
    """Load the tokenizer of a backbone, without its weights; see ``load_backbone``.

    With ``cached_only`` the hub is not asked, which takes minutes where there is no network.
    """
    if not isinstance(backbone, Backbone):
        return _load_tokenizer(resolve_name(backbone), cached_only)
    if backbone.tokenizer is None:
        raise DataError(f"the backbone {backbone.name!r} has no tokenizer: give token ids instead of a prompt.")
    return backbone.tokenizer


@lru_cache(maxsize=2)
def _load(name: str) -> Backbone:
    with torch.inference_mode(False):
        model = _from_source(_read_model, name)
    tokenizer = _load_tokenizer(name)
    _require_fitting_tokenizer(name, model, tokenizer)
    return Backbone(name if not Path(name).is_dir() else Path(name).resolve().name, model, tokenizer)


@lru_cache(maxsize=8)
def _load_tokenizer(name: str, cached_only: bool = False) -> CLIPTokenizer:
    return _from_source(_read_tokenizer, name, cached_only)


def _from_source(read: Callable[..., Any], name: str, cached_only: bool = False) -> Any:
    if name == "tiny" or Path(name).is_dir():
        return _from_folder(read, str(TINY_FOLDER if name == "tiny" else name))
    if name.startswith((".", "/", "~")):
        raise MissingFileError(f"there is no backbone folder {str(Path(name).absolute())!r}.")
    revision = _PINNED_REVISIONS.get(name)
    try:
        return read(name, revision=revision, local_files_only=True)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        if cached_only:
            raise MissingFileError(_how_to_get(name, revision)) from error
    try:
        return read(name, revision=revision)
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise MissingFileError(_how_to_get(name, revision)) from error


def _from_folder(read: Callable[..., Any], folder: str) -> Any:
    try:
        return read(folder, local_files_only=True)
    except BaseException as error:
        # transformers raises whatever a value leads to, and tokenizers a panic that is no Exception.
        if isinstance(error, UserError) and folder not in str(error):
            raise DataError(f"the backbone folder {folder!r} cannot be loaded: {error}") from error
        if isinstance(error, UserError | KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        reason = f"{error}" or type(error).__name__
        raise DataError(f"the backbone folder {folder!r} cannot be loaded: {reason:.500}") from error


def _read_model(source: str, **options: Any) -> CLIPSegForImageSegmentation:
    config = checked_config(_read_json(_file(source, ("config.json",), **options)), f"{source}/config.json")
    return build_model(config, _file(source, ("model.safetensors", "pytorch_model.bin"), **options))


def _file(source: str, names: tuple[str, ...], **options: Any) -> Path:
    for name in names:
        found = cached_file(source, name, _raise_exceptions_for_missing_entries=False, **options)
        if found:
            return Path(found)
    raise FileNotFoundError(f"there is no file {' or '.join(names)} in {source!r}")


def _read_json(path: Path) -> Any:
    require_regular_file(path, _MOST_TEXT_BYTES)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{str(path)!r} is no valid JSON: {error}") from error


def _read_tokenizer(source: str, **options: Any) -> CLIPTokenizer:
    for path in (Path(source) / name for name in _TOKENIZER_FILES):
        if os.path.lexists(path):
            require_regular_file(path, _MOST_TEXT_BYTES)
    tokenizer = CLIPTokenizer.from_pretrained(source, **options)
    # transformers 5 makes a tokenizer that knows no word where the vocabulary is missing, and reports nothing.
    if tokenizer.vocab_size <= len(set(tokenizer.all_special_tokens)):
        raise FileNotFoundError(f"there is no vocabulary (vocab.json and merges.txt, or tokenizer.json) in {source!r}")
    encode(tokenizer, ["a word"])
    return tokenizer


def _require_fitting_tokenizer(name: str, model: CLIPSegForImageSegmentation, tokenizer: CLIPTokenizer) -> None:
    text, ids = model.config.text_config, tokenizer.get_vocab().values()
    end = max(ids) if text.eos_token_id == 2 else text.eos_token_id
    if max(ids) >= text.vocab_size or min(ids) < 0:
        raise DataError(
            f"the vocabulary of the backbone {name!r} has ids up to {max(ids)}, its weights know {text.vocab_size} "
            "tokens: vocabulary and weights are not of one model."
        )
    if tokenizer.eos_token_id != end:
        raise DataError(
            f"the tokenizer of the backbone {name!r} ends a text with the token {tokenizer.eos_token_id}, its weights "
            f"expect {end}: vocabulary and weights are not of one model."
        )


def _how_to_get(name: str, revision: str | None) -> str:
    pinned = f" --revision {revision}" if revision else ""
    return (
        f"the backbone {name!r} is neither in the local cache nor reachable on the hub. Choose one:\n"
        f"  1. fetch it once, where there is a network:  hf download {name}{pinned}\n"
        f"  2. point to a folder with it:  --backbone /path/to/folder, or {ENVIRONMENT_VARIABLE}=/path/to/folder\n"
        "  3. try everything without it on the small shipped one:  --backbone tiny"
    )
