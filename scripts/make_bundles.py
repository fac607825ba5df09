"""Write bundles/ from scripts/bundle_template/ and DATASETS, or check that they are in step."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from monai_vlsm.data.datasets import DATASETS

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = ROOT / "scripts" / "bundle_template"
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


def versions() -> dict[str, str]:
    """Return the version of this package and of those in constraints.txt, as the template names them."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    return {
        "version": setup["metadata"]["version"],
        **{f"{name}_version": pinned[package] for name, package in PACKAGES.items()},
    }


def fill(text: str, values: Mapping[str, Any], is_json: bool) -> str:
    """Replace ``{{name}}`` in a template; in JSON, a quoted ``"{{name}}"`` keeps the type of its value."""
    if is_json:
        text = re.sub(r'"\{\{(\w+)\}\}"', lambda match: json.dumps(values[match[1]], ensure_ascii=False), text)
        return re.sub(r"\{\{(\w+)\}\}", lambda match: json.dumps(values[match[1]], ensure_ascii=False)[1:-1], text)
    return re.sub(r"\{\{(\w+)\}\}", lambda match: str(values[match[1]]), text)


def bundle_files() -> dict[Path, str]:
    """Return the content of every file below bundles/, by path relative to the root."""
    files = {}
    templates = sorted(path for path in TEMPLATE.rglob("*") if path.is_file())
    for name, data_set in DATASETS.items():
        values = {**asdict(data_set), **versions()}
        for template in templates:
            target = Path("bundles") / name / template.relative_to(TEMPLATE)
            files[target] = fill(template.read_text(encoding="utf-8"), values, template.suffix == ".json")
    return files


def stale_files(files: Mapping[Path, str]) -> list[Path]:
    """Return the files that are missing, differ, or should not be there."""
    stale = [path for path, text in files.items() if not _same(ROOT / path, text)]
    kept = {ROOT / path for path in files}
    extra = [
        path.relative_to(ROOT)
        for folder in ("configs", "docs")
        for path in (ROOT / "bundles").glob(f"*/{folder}/*")
        if path not in kept
    ]
    return stale + extra


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def main() -> int:
    """Run the command line; the exit status is 1 if --check finds a difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, list the files that are out of step")
    arguments = parser.parse_args()
    files = bundle_files()
    stale = stale_files(files)
    if arguments.check:
        for path in stale:
            print(f"out of step: {path}")
        print(f"{len(files)} files checked, {len(stale)} out of step")
        return int(bool(stale))
    for path, text in files.items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
    print(f"{len(files)} files written for {', '.join(DATASETS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
