"""Fill the bundle template with the facts of a data set."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from monai_vlsm.data.sets import DatasetFacts

TEMPLATE = Path(__file__).parent / "template"
PACKAGES = {
    "monai": "monai",
    "torch": "torch",
    "numpy": "numpy",
    "nibabel": "nibabel",
    "ignite": "pytorch-ignite",
    "scipy": "scipy",
    "tensorboard": "tensorboard",
    "transformers": "transformers",
}
"""Names in the template's ``{{NAME_version}}`` and in the package index."""


def filled_template(data_set: DatasetFacts, versions: Mapping[str, str]) -> dict[Path, str]:
    """Return the text of every file of a bundle, by its path inside the bundle's folder.

    Args:
        data_set: what the bundle is for.
        versions: ``version`` of this package and ``NAME_version`` of each of ``PACKAGES``.
    """
    values = {**asdict(data_set), "absent_prompts": data_set.absent_prompts, **versions}
    templates = sorted(path for path in TEMPLATE.rglob("*") if path.is_file())
    return {
        template.relative_to(TEMPLATE): _fill(template.read_text(encoding="utf-8"), values, template.suffix == ".json")
        for template in templates
    }


def installed_versions() -> dict[str, str]:
    """Return the versions that :func:`filled_template` needs, as they are installed here."""
    known = package_versions().items()
    return {"version" if name == "monai_vlsm" else f"{name}_version": number for name, number in known}


def package_versions() -> dict[str, str]:
    """Return the versions of this package and of ``PACKAGES`` by name, as they are installed here."""
    # A local build label such as +cpu names no release of the package index.
    named = {"monai_vlsm": "monai_vlsm", **PACKAGES}
    return {name: version(package).split("+")[0] for name, package in named.items()}


def write_bundle(data_set: DatasetFacts, folder: Path) -> None:
    """Write the bundle of a data set into a folder, with the versions that are installed here."""
    for path, text in filled_template(data_set, installed_versions()).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8", newline="\n")


def _fill(text: str, values: Mapping[str, Any], is_json: bool) -> str:
    """Replace ``{{name}}`` in a template; in JSON, a quoted ``"{{name}}"`` keeps the type of its value."""

    def as_json(match: re.Match[str]) -> str:
        value = json.dumps(values[match[1] or match[2]], ensure_ascii=False)
        return value if match[1] else value[1:-1]

    if is_json:
        # In one go: a value that looks like a placeholder stays what it is.
        return re.sub(r'"\{\{(\w+)\}\}"|\{\{(\w+)\}\}', as_json, text)
    return re.sub(r"\{\{(\w+)\}\}", lambda match: str(values[match[1]]), text)
