"""Tests of bundle/fill.py."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from monai_vlsm.bundle import filled_template, installed_versions
from monai_vlsm.bundle.fill import PACKAGES, TEMPLATE
from monai_vlsm.data.sets import BUNDLES

FACTS = BUNDLES["busi"]


@pytest.fixture(scope="module")
def versions():
    return installed_versions()


def test_every_file_of_the_template_is_filled(versions):
    files = filled_template(FACTS, versions)
    assert len(files) >= 8
    assert set(files) == {path.relative_to(TEMPLATE) for path in TEMPLATE.rglob("*") if path.is_file()}


def test_no_placeholder_is_left(versions):
    assert [path for path, text in filled_template(FACTS, versions).items() if "{{" in text] == []


def test_numbers_stay_numbers(versions):
    train = json.loads(filled_template(FACTS, versions)[Path("configs/train.json")])
    assert (train["learning_rate"], train["batch_size"]) == (FACTS.learning_rate, FACTS.batch_size)


@pytest.mark.parametrize(
    "prompt", ['a "flat" polyp', "back\\slash", "{{title}}", "{{nothing}}", "two\nlines", "Läsion"]
)
def test_any_text_is_the_same_in_json(versions, prompt):
    train = json.loads(filled_template(replace(FACTS, prompt=prompt), versions)[Path("configs/train.json")])
    assert train["prompt"] == prompt


def test_a_fact_that_is_missing_is_named(versions):
    with pytest.raises(KeyError, match="monai_version"):
        filled_template(FACTS, {name: value for name, value in versions.items() if name != "monai_version"})


def test_versions_are_releases_of_the_package_index(versions):
    assert set(versions) == {"version", *(f"{name}_version" for name in PACKAGES)}
    assert [version for version in versions.values() if "+" in version] == []
