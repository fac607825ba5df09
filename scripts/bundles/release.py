"""Keep the bundle template of a release as data in the package, so that later versions accept bundles of that release.

Run it when a version is released: ``python scripts/bundles/release.py VERSION [COMMIT]`` writes
``monai_vlsm/bundle/released/VERSION.json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = "monai_vlsm/bundle/template/configs"
RELEASED = "monai_vlsm/bundle/released"
TEXT_ONLY = "metadata.json"
"""The one configuration that may hold no code in any version, so nothing of it has to be known."""


def released_configs(commit: str) -> dict[str, object]:
    """Return the template's configurations at ``commit`` by file name: JSON as it is parsed, all else as text."""
    names = _git("ls-tree", "--name-only", f"{commit}:{CONFIGS}").split()
    texts = {name: _git("show", f"{commit}:{CONFIGS}/{name}") for name in names if name != TEXT_ONLY}
    return {name: json.loads(text) if name.endswith(".json") else text for name, text in texts.items()}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", help="number of the release, such as 0.2.0")
    parser.add_argument("commit", nargs="?", default="HEAD", help="commit or tag of it (default: %(default)s)")
    arguments = parser.parse_args()
    path = ROOT / RELEASED / f"{arguments.version}.json"
    configs = released_configs(arguments.commit)
    path.write_text(json.dumps(configs, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{path}: {', '.join(configs)}")


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
