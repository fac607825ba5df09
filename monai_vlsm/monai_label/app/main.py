"""MONAI Label's app for bundles, as ``python -m monai_vlsm label-app`` writes it, with a reason for every refusal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import monaibundle  # main.py of MONAI Label's sample app, which lies beside this file under this name
from fastapi import HTTPException
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.exception import MONAILabelException

from monai_vlsm.errors import find_message

LONGEST_PROMPT = 1000
"""Characters; CLIPSeg reads 77 tokens, which are some 400 characters."""


class App(monaibundle.MyApp, MONAILabelApp):
    """Serve bundles as MONAI Label's own app does, and say why a request fails.

    MONAI Label answers an exception with "Internal Server Error" alone. It also writes the prompt of a request into the
    configuration of the model, which MONAI evaluates, and which requests that run in parallel share. Here prompts stay
    out of it: they come with the data of the request (:class:`monai_vlsm.transforms.AttachPromptd`).
    """

    def init_infers(self) -> dict[str, Any]:
        """Return the models by name."""
        tasks = super().init_infers()
        for task in tasks.values():
            # It has been read: the prompt is among the options that clients show.
            task.bundle_config.config.pop("displayable_configs", None)
        return tasks

    def infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Run a model on an image of the studies or an uploaded one."""
        with _reasons():
            self._check_names(request, self._infers)
            self._check_image(request.get("image"), datastore or self.datastore())
            _check_prompt(request.get("prompt"))
            return super().infer(request, datastore)

    def train(self, request: dict[str, Any]) -> dict[str, Any]:
        """Train a model on the images that have a label."""
        with _reasons():
            self._check_names(request, self._trainers)
            _check_options(request)
            if not self.datastore().datalist():
                raise HTTPException(400, "there is nothing to train on: submit a label first.")
            return super().train(request)

    def _check_names(self, request: dict[str, Any], tasks: dict[str, Any]) -> None:
        known = sorted(name for name, task in tasks.items() if task.is_valid())
        if request.get("model") not in known:
            raise HTTPException(404, f"there is no model {request.get('model')!r}, this server has {known}.")

    def _check_image(self, image: Any, datastore: Any) -> None:
        if not (isinstance(image, str) and image and (Path(image).exists() or datastore.get_image_uri(image))):
            raise HTTPException(404, f"there is no image {image!r} among the studies: upload it, or name one of them.")


def _check_prompt(prompt: Any) -> None:
    if isinstance(prompt, str) and len(prompt) > LONGEST_PROMPT:
        raise HTTPException(400, f"a prompt may have {LONGEST_PROMPT} characters, this one has {len(prompt)}.")


def _check_options(options: Any, name: str = "request") -> None:
    """Refuse what MONAI would evaluate or build: it goes into the configuration of the training."""
    if isinstance(options, dict) and "_target_" in options:
        raise HTTPException(400, f"{name} builds something: an option may not begin with '_target_'.")
    pairs = options.items() if isinstance(options, dict) else enumerate(options) if isinstance(options, list) else ()
    for key, value in pairs:
        _check_options(value, f"{name}#{key}")
    if isinstance(options, str) and options.startswith(("$", "%", "@")):
        raise HTTPException(400, f"{name} is {options!r}: an option may not begin with {options[0]!r}.")


@contextmanager
def _reasons() -> Iterator[None]:
    """Turn exceptions into answers that name the reason: 400 for what the client can mend, 500 for all else."""
    try:
        yield
    except HTTPException:
        raise
    except MONAILabelException as error:
        raise HTTPException(400, error.msg) from error
    except Exception as error:
        message = find_message(error)
        if message is not None:
            raise HTTPException(400, message) from error
        raise HTTPException(500, f"{type(error).__name__}: {error}") from error
