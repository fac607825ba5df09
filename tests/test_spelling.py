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
# The words that people type into prompts: file -> the words that stay there.
KEPT = {
    "monai_vlsm/networks/tiny/vocab.json": {"grey", "centre"},
    "scripts/tiny/prompts.py": {"grey"},
    "scripts/tiny/tokenizer.py": {"grey", "centre"},
}
# Bundles as they were released stay as they were; this file has the words themselves.
AS_RELEASED = ("monai_vlsm/bundle/released", "tests/bundle/phantom_0.1.0/", "tests/test_spelling.py")
NOT_YET: frozenset[str] = frozenset(
    {
        "bundles/README.md",
        "bundles/bkai/configs/metadata.json",
        "bundles/bkai/docs/README.md",
        "bundles/btmri/configs/metadata.json",
        "bundles/btmri/docs/README.md",
        "bundles/busi/configs/metadata.json",
        "bundles/busi/docs/README.md",
        "bundles/busi/docs/data_license.txt",
        "bundles/camus/configs/metadata.json",
        "bundles/camus/docs/README.md",
        "bundles/chexlocalize/configs/metadata.json",
        "bundles/chexlocalize/docs/README.md",
        "bundles/clinicdb/configs/metadata.json",
        "bundles/clinicdb/docs/README.md",
        "bundles/dfu/configs/metadata.json",
        "bundles/dfu/docs/README.md",
        "bundles/dfu/docs/data_license.txt",
        "bundles/eus/configs/metadata.json",
        "bundles/eus/docs/README.md",
        "bundles/eus/docs/data_license.txt",
        "bundles/isic16/configs/metadata.json",
        "bundles/isic16/docs/README.md",
        "bundles/isic18/configs/metadata.json",
        "bundles/isic18/docs/README.md",
        "bundles/kvasir_seg/configs/metadata.json",
        "bundles/kvasir_seg/docs/README.md",
        "bundles/phantom/configs/metadata.json",
        "bundles/phantom/docs/README.md",
        "bundles/phantom/docs/data_license.txt",
        "bundles/qata_cov19/configs/metadata.json",
        "bundles/qata_cov19/docs/README.md",
        "bundles/udiat/configs/metadata.json",
        "bundles/udiat/docs/README.md",
        "bundles/udiat/docs/data_license.txt",
        "docs/data.md",
        "monai_vlsm/bundle/template/configs/metadata.json",
        "monai_vlsm/bundle/template/docs/README.md",
        "monai_vlsm/bundle/template/docs/data_license.txt",
        "monai_vlsm/commands/check.py",
        "monai_vlsm/commands/prepare.py",
        "monai_vlsm/custom_data/build.py",
        "monai_vlsm/custom_data/reading.py",
        "monai_vlsm/data/phantom/scene.py",
        "monai_vlsm/data/prepare/convert.py",
        "monai_vlsm/data/sets/brain.py",
        "monai_vlsm/data/sets/breast.py",
        "monai_vlsm/data/sets/chest.py",
        "monai_vlsm/data/sets/facts.py",
        "monai_vlsm/data/sets/heart.py",
        "monai_vlsm/data/sets/pancreas.py",
        "monai_vlsm/data/sets/polyps.py",
        "monai_vlsm/data/sets/registry.py",
        "monai_vlsm/data/sets/skin.py",
        "monai_vlsm/handlers/drawing.py",
        "monai_vlsm/handlers/evaluation_report.py",
        "monai_vlsm/networks/nets/base.py",
        "monai_vlsm/transforms/label_map.py",
        "monai_vlsm/transforms/load.py",
        "monai_vlsm/transforms/network_input.py",
        "monai_vlsm/transforms/nifti.py",
        "monai_vlsm/transforms/upright.py",
        "tests/bundles/test_runs.py",
        "tests/custom_data/conftest.py",
        "tests/custom_data/drawn.py",
        "tests/custom_data/test_build.py",
        "tests/custom_data/test_reading.py",
        "tests/custom_data/test_writing.py",
        "tests/data/check/test_report.py",
        "tests/data/phantom/test_phantom.py",
        "tests/data/sets/test_sets.py",
        "tests/handlers/test_drawing.py",
        "tests/handlers/test_evaluation_report.py",
        "tests/handlers/test_overlays.py",
        "tests/inferers/test_prompt_inferer.py",
        "tests/raw_layouts/drawing.py",
        "tests/raw_layouts/layouts.py",
        "tests/test_predictor.py",
        "tests/transforms/conftest.py",
        "tests/transforms/test_label_map.py",
        "tests/transforms/test_load.py",
        "tests/transforms/test_nifti.py",
        "tests/transforms/test_save.py",
    }
)


def british_words(text: str) -> set[str]:
    return {word.lower() for word in BRITISH.findall(text)}


def files() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], capture_output=True, text=True, check=True, cwd=ROOT).stdout.split(
        "\n"
    )
    found = [name for name in listed if Path(name).suffix in KINDS and (ROOT / name).is_file()]
    assert len(found) > 200
    return [name for name in found if not name.startswith(AS_RELEASED) and name not in NOT_YET]


def test_files_are_written_in_american_english():
    found = {name: british_words((ROOT / name).read_text(encoding="utf-8")) - KEPT.get(name, set()) for name in files()}
    assert not {name: words for name, words in found.items() if words}


@pytest.mark.parametrize("text", ["TRUTH_COLOUR", "any_colour", "Greyscale", "re-centred centre", "normalisation"])
def test_british_words_are_found_inside_names(text):
    assert british_words(text)


@pytest.mark.parametrize("text", ["optimistic", "organism", "specialist", "realistic", "gray", "license", "analysis"])
def test_other_words_are_left_alone(text):
    assert not british_words(text)
