"""All that a calibration says, from the cases of a split."""

from __future__ import annotations

import numpy as np
import pytest
from calibration.documents import DOCUMENT

from monai_vlsm.calibration.fit import Case, describe_data, fit_parts, require_enough
from monai_vlsm.calibration.histograms import count_logits
from monai_vlsm.errors import DataError


def case(index: int, present: bool = True, group: str | None = None) -> Case:
    rng = np.random.default_rng(index)
    logits = rng.normal(-1, 3, 500)
    label = (rng.random(500) < 1 / (1 + np.exp(-logits))) * present
    name = f"/data/phantom/images/{index}.png"
    return Case(name, "", "cyst", group, count_logits(logits, label), rng.normal(3.0 * present, 1))


CASES = [case(index, index % 3 > 0) for index in range(30)]


@pytest.fixture(scope="module")
def parts() -> dict:
    return fit_parts(CASES, alpha=0.2, sensitivity=0.95, resamples=20)


@pytest.mark.parametrize("name", ["presence", "threshold", "risk_control"])
def test_parts_have_the_names_that_the_file_has(parts, name):
    assert parts[name].keys() == DOCUMENT[name].keys()
    assert parts[name]["ci95"].keys() == DOCUMENT[name]["ci95"].keys()


def test_presence_takes_all_cases_and_risk_control_those_with_a_target(parts):
    assert (parts["presence"]["present"], parts["presence"]["absent"]) == (20, 10)
    assert parts["risk_control"]["n"] == 20


def test_without_absent_cases_all_else_is_fitted():
    found = fit_parts([one for one in CASES if one.present], alpha=0.2, sensitivity=0.95, resamples=5)
    assert "0 cases without it" in found["presence"]["missing"]
    assert found["temperature"]["value"] == pytest.approx(1, abs=0.15)


def test_too_few_cases_with_a_target_are_refused():
    with pytest.raises(DataError, match="takes 5 entries that show their target, the split has 4"):
        require_enough([*map(case, range(4)), *(case(index, present=False) for index in range(9))])


def test_patients_named_for_some_cases_only_are_refused():
    with pytest.raises(DataError, match="3 of 6 entries name a patient"):
        require_enough([case(index, group="p" if index % 2 else None) for index in range(6)])


def test_data_are_described_without_paths():
    found = describe_data(CASES, "/data/phantom", "validation", "p1")
    assert found.keys() == DOCUMENT["data"].keys()
    assert (found["dataset"], found["entries"], found["absent_entries"], found["images"]) == ("phantom", 30, 10, 30)
    assert "/" not in str(found)


def test_the_checksum_of_the_data_knows_names_and_prompts_but_neither_folder_nor_order():
    first = describe_data(CASES[:2], "/data/phantom", "validation", "p1")["sha256"]
    elsewhere = [Case(one.image.replace("/data", "/disk"), "", one.prompt, None, one.counts, 0) for one in CASES[1::-1]]
    assert describe_data(elsewhere, "/disk/phantom", "validation", "p1")["sha256"] == first
    asked = [Case(one.image, "", "mass", None, one.counts, 0) for one in CASES[:2]]
    assert describe_data(asked, "/data/phantom", "validation", "p1")["sha256"] != first
