"""Values, names and colors of labels."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from monai_vlsm.errors import DataError
from monai_vlsm.predicting.jobs import Ask, Job
from monai_vlsm.predicting.labels import color_of, paint_order, require_known_labels, write_labels
from monai_vlsm.predicting.records import write_record
from monai_vlsm.predicting.sources import Source
from monai_vlsm.predicting.targets import LABELS, targets_of


def jobs(**values: int) -> list[Job]:
    asks = tuple(Ask("prompt of " + name, name, value) for name, value in values.items())
    return [Job(Source((Path("/data/a.png"),), "a"), asks)]


@pytest.fixture
def plan(plan):
    return replace(plan, label_map=True)


def told(plan) -> dict[int, str]:
    return {one["value"]: one["name"] for one in json.loads((plan.folder / LABELS).read_text())["labels"]}


def test_names_of_several_runs_into_one_folder_are_kept(plan):
    write_labels(jobs(polyp=1), plan)
    write_labels(jobs(tool=5), plan)
    assert told(plan) == {1: "polyp", 5: "tool"}


def test_a_value_of_two_meanings_in_one_folder_is_refused(plan):
    write_labels(jobs(polyp=1), plan)
    with pytest.raises(DataError, match="the value 1 is 'polyp', and in this run 'tool'"):
        require_known_labels(jobs(tool=1), plan)
    write_labels(jobs(tool=1), replace(plan, overwrite=True))
    assert told(plan) == {1: "tool"}


def test_other_labels_of_the_folder_are_kept_where_one_is_replaced(plan):
    write_labels(jobs(polyp=1, tool=5), plan)
    write_labels(jobs(cyst=1), replace(plan, overwrite=True))
    assert told(plan) == {1: "cyst", 5: "tool"}


def test_a_value_keeps_its_meaning_as_long_as_a_label_map_of_another_image_has_it(plan):
    write_labels(jobs(polyp=1), plan)
    (other,) = jobs(polyp=1)
    other = replace(other, source=Source((Path("/data/b.png"),), "b"))
    for file in targets_of(other, plan).all():
        (plan.folder / file).touch()
    write_record(other, plan, [{}], 0, None)
    with pytest.raises(DataError, match=r"value 1 is 'polyp'.* \(the label map of '/data/b\.png' stays\)"):
        require_known_labels(jobs(tool=1), replace(plan, overwrite=True))
    require_known_labels([other, *jobs(tool=2)], replace(plan, overwrite=True))


@pytest.mark.parametrize("content", ["", "{", '{"labels": 5}', '{"labels": [{"value": "x"}]}'])
def test_labels_that_cannot_be_read_are_not_replaced_unless_that_is_asked_for(plan, content):
    plan.folder.mkdir()
    (plan.folder / LABELS).write_text(content)
    with pytest.raises(DataError, match="does not tell which labels"):
        require_known_labels(jobs(polyp=1), plan)
    write_labels(jobs(polyp=1), replace(plan, overwrite=True))
    assert told(plan) == {1: "polyp"}


def test_without_label_maps_there_are_no_names_of_values(plan):
    write_labels(jobs(polyp=1), replace(plan, label_map=False))
    assert not plan.folder.exists()


def test_more_labels_than_a_map_has_room_for_are_refused(plan):
    with pytest.raises(DataError, match=r"room for 65,535 labels, and this run has 65,536"):
        require_known_labels(jobs(polyp=65536), plan)
    require_known_labels(jobs(polyp=65536), replace(plan, label_map=False))


def test_an_order_of_labels_that_nobody_asks_for_is_refused(plan):
    with pytest.raises(DataError, match=r"--priority names 'cup', .*: 'disc'"):
        require_known_labels(jobs(disc=1), replace(plan, priority=("disc", "cup")))


def test_an_order_is_about_the_labels_of_each_image():
    (job,) = jobs(disc=1, cup=2, tool=3)
    assert paint_order(job.asks, ("cup", "fovea", "disc")) == [1, 0]


def test_labels_have_colors_of_their_own():
    assert color_of(0) == (0, 0, 0)
    assert len({color_of(value) for value in range(60)}) == 60
