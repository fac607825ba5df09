"""What is asked of which image."""

from __future__ import annotations

from pathlib import Path

import pytest

from monai_vlsm.errors import DataError
from monai_vlsm.predicting.jobs import Ask, Job, make_jobs
from monai_vlsm.predicting.sources import Source

SOURCES = [Source((Path(f"/data/{name}.png"),), name) for name in ("a", "b", "c")]


def slugs(*asks: Ask) -> list[str]:
    return Job(SOURCES[0], asks).slugs()


def test_every_image_is_asked_all_with_values_from_one_on():
    jobs = make_jobs(SOURCES, ["polyp", "tumor"])
    assert [job.source for job in jobs] == SOURCES
    assert {job.asks for job in jobs} == {(Ask("polyp", "", 1), Ask("tumor", "", 2))}


def test_the_first_images_are_drawn():
    assert [job.shown for job in make_jobs(SOURCES, ["polyp"], shown=2)] == [True, True, False]


def test_a_single_prompt_without_a_label_is_the_mask():
    assert slugs(Ask("polyp", "", 1)) == ["mask"]
    assert slugs(Ask("polyp", "big one", 1)) == ["big-one"]


def test_several_prompts_are_told_apart_by_their_labels_or_themselves():
    assert slugs(Ask("sessile polyp", "", 1), Ask("x", "tool", 2)) == ["sessile-polyp", "tool"]


def test_labels_that_look_alike_in_names_get_their_value():
    assert slugs(Ask("a b", "", 1), Ask("A_b", "", 2), Ask("c", "", 3)) == ["a-b-1", "A-b-2", "c"]


def test_labels_that_still_look_alike_are_refused():
    with pytest.raises(DataError, match="cannot be told apart"):
        slugs(Ask("a", "", 1), Ask("A", "", 2), Ask("a-1", "", 3))


def test_a_prompt_that_is_given_twice_is_refused():
    with pytest.raises(DataError, match="'polyp' is given 2 times"):
        make_jobs(SOURCES, ["polyp", "tumor", "polyp"])


@pytest.mark.parametrize("prompt", ["x" * 5000, "a\0b", "half \ud800"])
def test_a_prompt_that_no_network_can_read_is_refused(prompt):
    with pytest.raises(DataError, match="'prompt' must be text of at most 1,000 characters"):
        make_jobs(SOURCES, [prompt])
