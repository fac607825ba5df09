"""Write bundles/ and docs/targets.md from the template in monai_vlsm/bundle/ and DATASETS, or check them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path

from table import bundles_readme
from targets import targets_page

from monai_vlsm.bundle.fill import PACKAGES, filled_template
from monai_vlsm.data.sets import BUNDLES

ROOT = Path(__file__).resolve().parents[2]


def pinned_versions() -> dict[str, str]:
    """Return the version of this package and of those in constraints.txt, as the template names them."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line)
    return {
        "version": setup["metadata"]["version"],
        **{f"{name}_version": pinned[package] for name, package in PACKAGES.items()},
    }


def bundle_files() -> dict[Path, str]:
    """Return the content of every file below bundles/ and of the list of targets, by path relative to the root."""
    versions = pinned_versions()
    files = {
        Path("bundles") / name / path: text
        for name, data_set in BUNDLES.items()
        for path, text in filled_template(data_set, versions).items()
    }
    return {Path("bundles/README.md"): bundles_readme(), Path("docs/targets.md"): targets_page(), **files}


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
    print(f"{len(files)} files written for {', '.join(BUNDLES)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
