"""Two processes that change one document lose nothing of each other's."""

from __future__ import annotations

import pytest

from monai_vlsm.monai_label.merging import merge

BASE = {"objects": {"case1": {"info": {"seen": 1}, "labels": {}}}}
REVIEWED = {"objects": {"case1": {"info": {"seen": 1, "reviews": ["reject"]}, "labels": {}}}}
LABELED = {"objects": {"case1": {"info": {"seen": 1}, "labels": {"original": 3}}, "case2": {}}}
BOTH = {
    "objects": {
        "case1": {"info": {"seen": 1, "reviews": ["reject"]}, "labels": {"original": 3}},
        "case2": {},
    }
}


@pytest.mark.parametrize(("mine", "theirs"), [(REVIEWED, LABELED), (LABELED, REVIEWED)])
def test_what_each_of_two_writers_added_is_kept(mine, theirs):
    assert merge(BASE, mine, theirs) == BOTH


@pytest.mark.parametrize(("mine", "theirs"), [({}, {"a": 1}), ({"a": 1}, {})])
def test_what_one_of_them_removed_is_gone(mine, theirs):
    assert merge({"a": 1}, mine, theirs) == {}


def test_of_two_changes_mine_counts():
    assert merge({"a": 1}, {"a": 2}, {"a": 3}) == {"a": 2}
