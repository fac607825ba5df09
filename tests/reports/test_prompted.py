"""Tests of the section on prompts."""

from __future__ import annotations

import json

import pytest
from reports.test_evaluated import text_of

from monai_vlsm.errors import DataError
from monai_vlsm.pages import Page
from monai_vlsm.reports.prompted import add_prompts, read_prompts

MEAN = {"mean": 0.5, "ci95": [0.4, 0.6]}
GROUP = {"about": "said in full", "is_there": True, "cases": 9, "empty_masks": 1} | dict.fromkeys(
    ("dice", "same", "presence", "area"), MEAN
)
SUMMARY = {"split": "test", "cases": 9, "full_prompt": "p6", "groups": {"full": GROUP}}
HOSTILE = "<script>alert(1)</script>"


def read(tmp_path, summary):
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    return read_prompts(tmp_path)


def test_without_a_prompt_report_the_way_to_one_is_shown(tmp_path):
    assert "python prompts" in text_of(add_prompts, read_prompts(tmp_path), "python prompts")


def test_each_group_has_a_row_under_what_is_there_and_what_is_not(tmp_path):
    groups = {"full": GROUP, "absent": {**GROUP, "is_there": False}}
    shown = " ".join(text_of(add_prompts, read(tmp_path, {**SUMMARY, "groups": groups}), "").split())
    there, _, not_there = shown.partition("What is not there")
    assert "full 9 0.500 0.400 to 0.600" in there
    assert "absent 9 0.500 0.400 to 0.600" in not_there


@pytest.mark.parametrize("value", [HOSTILE, None, [HOSTILE], {"mean": HOSTILE, "ci95": HOSTILE}, {"mean": 10**400}])
def test_what_is_no_number_is_unknown(tmp_path, value):
    page = Page("title")
    groups = {HOSTILE: {**dict.fromkeys(GROUP, value), "is_there": True}}
    add_prompts(page, read(tmp_path, {**SUMMARY, "groups": groups, "split": value}), "")
    assert "<script" not in page.html()


@pytest.mark.parametrize("groups", [None, [], {"full": 1}, {str(number): GROUP for number in range(101)}])
def test_another_file_is_refused(tmp_path, groups):
    with pytest.raises(DataError, match="groups of prompts"):
        read(tmp_path, {**SUMMARY, "groups": groups})
