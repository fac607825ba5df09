"""One spelling, the American one of MONAI, in code and documentation."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KINDS = {".cff", ".cfg", ".conf", ".ipynb", ".json", ".md", ".py", ".rst", ".sh", ".toml", ".txt"}
ENDINGS = r"(?:e|es|ed|er|ers|ing|ation|ations|able)\b"
BRITISH = re.compile(
    r"colour|(?<![a-z])grey|centre|tumour|licence|behaviour|favour|neighbour|artefact|(?:milli|centi)metre|judgement"
    r"|oedema|haemo|paediatr|catalogue|(?:label|model|cancel|signal)l(?:ed|ing)|analys(?:e|ed|ing)\b"
    r"|(?:anonym|binar|categor|character|custom|emphas|equal|final|general|harmon|initial|local|maxim|memor|minim|normal"
    rf"|optim|organ|parametr|penal|quant|random|raster|real|recogn|regular|serial|special|stabil|standard|summar|synchron"
    rf"|token|util|vector|visual)is{ENDINGS}",
    re.IGNORECASE,
)
# Words that people type into prompts, and old names: file -> the words that stay there.
KEPT = {
    "CHANGELOG.md": {"grey", "licence"},
    "monai_vlsm/dicom/codes.py": {"tumour"},
    "monai_vlsm/networks/tiny/vocab.json": {"grey", "centre"},
    "scripts/tiny/paint.py": {"grey"},
    "scripts/tiny/prompts.py": {"grey"},
    "scripts/tiny/tokenizer.py": {"grey", "centre"},
    "tests/dicom/test_seg.py": {"tumour"},
}
# Bundles as they were released stay as they were; this file has the words themselves.
AS_RELEASED = ("monai_vlsm/bundle/released", "tests/bundle/phantom_0.1.0/", "tests/test_spelling.py")


def british_words(text: str) -> set[str]:
    return {word.lower() for word in BRITISH.findall(text)}


def files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split(
        "\n"
    )
    found = [name for name in listed if Path(name).suffix in KINDS and (ROOT / name).is_file()]
    assert len(found) > 200
    return [name for name in found if not name.startswith(AS_RELEASED)]


def test_files_are_written_in_american_english():
    found = {name: british_words((ROOT / name).read_text(encoding="utf-8")) - KEPT.get(name, set()) for name in files()}
    assert not {name: words for name, words in found.items() if words}


@pytest.mark.parametrize("text", ["TRUTH_COLOUR", "any_colour", "Greyscale", "re-centred centre", "normalisation"])
def test_british_words_are_found_inside_names(text):
    assert british_words(text)


@pytest.mark.parametrize("text", ["optimistic", "organism", "specialist", "realistic", "gray", "license", "analysis"])
def test_other_words_are_left_alone(text):
    assert not british_words(text)
