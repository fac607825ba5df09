"""The pages for people: commands that can be typed, files and links that exist."""

import re
import shlex
from pathlib import Path

import pytest

from monai_vlsm.__main__ import build_parser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "bundles/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "bundles" / "phantom" / "docs" / "README.md",
]
OURS = ("python -m monai_vlsm ", "monai-vlsm ")


def blocks(page):
    """Return the lines of the shell blocks of a page, continued ones joined, without comments."""
    found = re.findall(r"^```bash\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line.split(" #")[0] for block in found for line in block.replace("\\\n", " ").splitlines()]


def commands(page):
    """Return the single commands of these lines."""
    return [part.strip() for line in blocks(page) for part in line.split("&&") if part.strip()]


OUR_COMMANDS = [
    pytest.param(command.split(start, 1)[1], id=f"{page.name}: {command}")
    for page in PAGES
    for command in commands(page)
    for start in OURS
    if start in command
]
SCRIPTS = [
    pytest.param(*found, id=f"{page.name}: {' '.join(found)}")
    for page in PAGES
    for found in re.findall(r"\bpython (\S+\.py)((?: [^`#\n|]+)?)", page.read_text(encoding="utf-8"))
    if found[0].startswith(("scripts/", "examples/", "tests/"))
]


def test_the_pages_have_commands():
    assert len(PAGES) >= 10
    assert len(OUR_COMMANDS) >= 12
    assert len(SCRIPTS) >= 4


@pytest.mark.parametrize("command", OUR_COMMANDS)
def test_a_command_of_ours_can_be_parsed(command):
    parsed = build_parser().parse_args(shlex.split(command))
    assert callable(parsed.run)


@pytest.mark.parametrize(("script", "options"), SCRIPTS)
def test_a_script_is_there_and_has_the_options_that_are_named(script, options):
    source = (ROOT / script).read_text(encoding="utf-8")
    assert [option for option in re.findall(r"--[\w-]+", options) if f'"{option}"' not in source] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_that_a_page_names_exist(page):
    text = page.read_text(encoding="utf-8")
    named = re.findall(r"\b((?:scripts|tests|examples|monai_vlsm)/[\w./-]*)(\{[\w,]+\})?((?<=\})[\w./]*\w)?", text)
    paths = [
        start + end + rest for start, ends, rest in named for end in (ends.strip("{}").split(",") if ends else [""])
    ]
    assert [path for path in paths if not (ROOT / path.rstrip(".")).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_within_the_repository_lead_somewhere(page):
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []
