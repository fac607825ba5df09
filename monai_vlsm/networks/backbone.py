"""Where the frozen CLIPSeg weights and their tokenizer come from: a hub id, a local folder, or the shipped ``tiny``."""

from __future__ import annotations

import copy
import hashlib
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from uuid import uuid4
from weakref import WeakValueDictionary

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

from monai_vlsm.errors import DataError, MissingFileError

DEFAULT_BACKBONE = "CIDAS/clipseg-rd64-refined"
ENVIRONMENT_VARIABLE = "MONAI_VLSM_BACKBONE"
TINY_FOLDER = Path(__file__).parent / "tiny"

_PINNED_REVISIONS = {DEFAULT_BACKBONE: "999e0328d9e10b484360c477313983f9afdd7050"}


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
    key: str = field(default_factory=lambda: uuid4().hex, repr=False)
    """No other backbone has it, in any process: a pickled network must not take the tensors of another one."""

    @property
    def image_size(self) -> int:
        """Height and width in pixels of the square pictures that the weights were trained on.

        The published CLIPSegs were trained on 352 pixels (their preprocessor_config.json), while their config.json
        has the 224 pixels of the position embeddings of CLIP, which are interpolated.
        """
        size = int(self.model.config.vision_config.image_size)
        return 352 if size == 224 else size

    @cached_property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell backbones apart by their weights, wherever they were loaded from."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.model.state_dict().items()):
            digest.update(f"{name}{tuple(tensor.shape)}".encode())
            digest.update(tensor.detach().flatten()[:64].float().numpy().tobytes())
        return digest.hexdigest()[:16]

    def save(self, folder: str | Path) -> None:
        """Write weights and tokenizer into a folder that :func:`load_backbone` takes."""
        self.model.save_pretrained(folder)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder)

    def copy(self, trained: Callable[[str], bool] = lambda name: False) -> CLIPSegForImageSegmentation:
        """Return modules of their own on the same, frozen tensors; those whose name is ``trained`` are cloned."""
        memo: dict[int, Any] = {}
        for name, parameter in self.model.named_parameters():
            if not trained(name):
                parameter.requires_grad_(False)
                _register_shared(parameter, (self.key, name))
                memo[id(parameter)] = parameter
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
    """Load a backbone once per process.

    Args:
        backbone: hub id, local folder, ``"tiny"`` or a Backbone (returned as it is).

    Raises:
        MissingFileError: if the folder does not exist, or the hub id is neither cached nor reachable.
        DataError: if the folder holds something that is not CLIPSeg.
    """
    return backbone if isinstance(backbone, Backbone) else _load(resolve_name(backbone))


def load_tokenizer(backbone: str | Backbone | None = None, cached_only: bool = False) -> CLIPTokenizer:
    """Load the tokenizer of a backbone, without its weights; see :func:`load_backbone`.

    With ``cached_only`` the hub is not asked, which takes minutes where there is no network.
    """
    if not isinstance(backbone, Backbone):
        return _load_tokenizer(resolve_name(backbone), cached_only)
    if backbone.tokenizer is None:
        raise DataError(f"the backbone {backbone.name!r} has no tokenizer: give token ids instead of a prompt.")
    return backbone.tokenizer


@lru_cache(maxsize=2)
def _load(name: str) -> Backbone:
    model, loading = _from_pretrained(CLIPSegForImageSegmentation, name, dtype=torch.float32, output_loading_info=True)
    missing = sorted(loading["missing_keys"])
    if missing:
        raise DataError(f"{name!r} is not a CLIPSeg: it lacks {len(missing)} tensors, the first is {missing[0]!r}.")
    return Backbone(name if not Path(name).is_dir() else Path(name).name, model, _load_tokenizer(name))


@lru_cache(maxsize=8)
def _load_tokenizer(name: str, cached_only: bool = False) -> CLIPTokenizer:
    return _from_pretrained(CLIPTokenizer, name, cached_only)


def _from_pretrained(kind: type, name: str, cached_only: bool = False, **options: Any) -> Any:
    if name == "tiny" or Path(name).is_dir():
        folder = TINY_FOLDER if name == "tiny" else name
        try:
            return _read(kind, folder, local_files_only=True, **options)
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(f"the backbone folder {str(folder)!r} cannot be loaded: {error}") from error
    if name.startswith((".", "/", "~")):
        raise MissingFileError(f"there is no backbone folder {str(Path(name).absolute())!r}.")
    revision = _PINNED_REVISIONS.get(name)
    try:
        return _read(kind, name, revision=revision, local_files_only=True, **options)
    except OSError as error:
        if cached_only:
            raise MissingFileError(_how_to_get(name, revision)) from error
    try:
        return _read(kind, name, revision=revision, **options)
    except OSError as error:
        raise MissingFileError(_how_to_get(name, revision)) from error


def _read(kind: type, source: str | Path, **options: Any) -> Any:
    try:
        loaded = kind.from_pretrained(source, **options)  # type: ignore[attr-defined]
    except (SafetensorError, UnpicklingError) as error:
        raise DataError(
            f"the weights of {str(source)!r} are damaged, or hold more than tensors; fetch them again: {error}"
        ) from error
    # transformers 5 makes a tokenizer that knows no word where the vocabulary is missing, and reports nothing.
    if kind is CLIPTokenizer and loaded.vocab_size <= len(set(loaded.all_special_tokens)):
        raise OSError(f"there is no vocabulary (vocab.json and merges.txt, or tokenizer.json) in {str(source)!r}")
    return loaded


def _how_to_get(name: str, revision: str | None) -> str:
    pinned = f" --revision {revision}" if revision else ""
    return (
        f"the backbone {name!r} is neither in the local cache nor reachable on the hub. Choose one:\n"
        f"  1. fetch it once, where there is a network:  hf download {name}{pinned}\n"
        f"  2. point to a folder with it:  --backbone /path/to/folder, or {ENVIRONMENT_VARIABLE}=/path/to/folder\n"
        "  3. try everything without it on the small shipped one:  --backbone tiny"
    )


_shared: WeakValueDictionary[tuple, nn.Parameter] = WeakValueDictionary()
_shared_lock = threading.Lock()


def _register_shared(parameter: nn.Parameter, key: tuple[str, str]) -> nn.Parameter:
    parameter.shared_key = key  # type: ignore[attr-defined]
    return _shared.setdefault((key, parameter.device, parameter.dtype), parameter)


def shared_parameters(model: nn.Module) -> list[tuple[nn.Module, str, nn.Parameter]]:
    """List (owner, name, parameter) of the tensors in ``model`` that belong to every network of the process."""
    return [
        (module, name, parameter)
        for module in model.modules()
        for name, parameter in module._parameters.items()
        if parameter is not None and hasattr(parameter, "shared_key")
    ]


def convert_shared(parameter: nn.Parameter, function: Callable[[torch.Tensor], torch.Tensor]) -> nn.Parameter:
    """Convert a shared tensor (to another device or type) once for all networks, leaving the original in place."""
    with torch.no_grad(), _shared_lock:
        converted = function(parameter)
        if converted is parameter:
            return parameter
        key = parameter.shared_key  # type: ignore[attr-defined]
        return _register_shared(nn.Parameter(converted, requires_grad=False), key)
