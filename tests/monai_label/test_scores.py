"""What a network sees in the images of the studies, looked at in the background."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monai_label.pictures import write_picture
from monai_label.studies_in_memory import StudiesInMemory

from monai_vlsm.errors import DataError
from monai_vlsm.monai_label.scores import ERROR, SEEN, STATE, BackgroundScores, Idleness, Looker, offered, seen_in
from monai_vlsm.statistics.next_image import Seen, foreground_chances


class FakeLooker:
    """Sees the same in all images but those called "broken"."""

    def __init__(self) -> None:
        self.requests = 0
        self.model = "first"
        self.looked: list[str] = []

    def state(self) -> str:
        return self.model

    ready = state

    def wait(self) -> None:
        while self.requests:
            time.sleep(0.01)

    def look(self, path: Path) -> dict[str, Any]:
        self.looked.append(path.stem)
        if path.stem == "broken":
            raise DataError("this is no picture.")
        return {"presence": 0.8, "entropy": 0.1, "mean_probability": 0.7, "look": True}


@pytest.fixture
def studies(tmp_path) -> StudiesInMemory:
    return StudiesInMemory(tmp_path, "a", "broken", "c")


@pytest.fixture
def looker() -> FakeLooker:
    return FakeLooker()


def test_every_image_is_looked_at_once_and_what_was_seen_is_written_in_one_go(studies, looker):
    scores = BackgroundScores(studies, looker)
    scores.run_once()
    scores.run_once()
    assert looker.looked == ["a", "broken", "c"]
    assert studies.writes == 1
    assert seen_in(studies.infos["a"]) == Seen(0.8, 0.1)


def test_a_broken_image_is_noted_with_its_reason_and_stops_nothing(studies, looker):
    BackgroundScores(studies, looker).run_once()
    assert studies.infos["broken"][SEEN] == {STATE: "first", ERROR: "this is no picture."}
    assert seen_in(studies.infos["broken"]) is None
    assert seen_in(studies.infos["c"])


def test_an_image_that_was_still_being_copied_is_looked_at_again(studies, looker):
    scores = BackgroundScores(studies, looker)
    scores.run_once()
    studies.image_path("broken").write_text("the rest")
    looker.look = lambda path: {"presence": 0.8, "entropy": 0.1}
    scores.run_once()
    assert seen_in(studies.infos["broken"]) == Seen(0.8, 0.1)


def test_another_model_looks_again(studies, looker):
    scores = BackgroundScores(studies, looker)
    scores.run_once()
    looker.model = "second"
    scores.run_once()
    assert Counter(looker.looked) == {"a": 2, "broken": 2, "c": 2}
    assert {info[SEEN][STATE] for info in studies.infos.values()} == {"second"}


def test_images_without_label_are_looked_at_first(studies, looker):
    studies.give_label("a", "mask")
    BackgroundScores(studies, looker).run_once()
    assert looker.looked == ["broken", "c", "a"]


def test_what_was_seen_before_a_failure_is_kept(studies, looker):
    def ready() -> str:
        if looker.looked:
            raise DataError("the model is gone.")
        return "first"

    looker.ready = ready
    with pytest.raises(DataError, match="the model is gone"):
        BackgroundScores(studies, looker).run_once()
    assert seen_in(studies.infos["a"])
    assert SEEN not in studies.infos["c"]


def test_nothing_is_looked_at_while_a_request_runs(studies, looker):
    thread = threading.Thread(target=BackgroundScores(studies, looker).run_once)
    looker.requests = 1
    thread.start()
    time.sleep(0.1)
    assert not looker.looked
    looker.requests = 0
    thread.join(10)
    assert len(looker.looked) == 3


def test_a_server_is_idle_some_time_after_it_was_seen_to_be_busy():
    busy = [True, True, False]
    idleness = Idleness(lambda: busy.pop(0) if busy else False, patience=0.2)
    start = time.monotonic()
    idleness.wait()
    assert time.monotonic() - start >= 0.2
    assert not busy


def test_a_server_that_was_idle_all_the_time_is_not_waited_for():
    start = time.monotonic()
    Idleness(lambda: False, patience=60).wait()
    assert time.monotonic() - start < 10


@pytest.mark.parametrize("kind", ["gray", "oblique"])
def test_the_model_of_a_bundle_says_what_it_sees(bundle_with_tiny, tmp_path, kind):
    looker = Looker(bundle_with_tiny, lambda: None, lambda: None)
    assert looker.ready() == looker.state()
    seen = looker.look(write_picture(tmp_path, kind))
    assert set(seen) == {"presence", "entropy", "mean_probability", "look"}
    assert all(0 <= seen[name] <= 1 for name in ("presence", "entropy", "mean_probability"))


def test_a_bundle_that_is_not_as_it_was_checked_is_not_loaded(bundle_with_tiny):
    def check() -> None:
        raise DataError("it was changed.")

    with pytest.raises(DataError, match="it was changed"):
        Looker(bundle_with_tiny, check, lambda: None).ready()


def infos(**offers: float) -> dict[str, dict[str, Any]]:
    return {image: {"strategy": {"x": {"ts": ts}}} for image, ts in offers.items()}


def drawn(known: dict[str, dict[str, Any]]) -> set[str]:
    rng = np.random.default_rng(0)
    return {offered(known, "x", foreground_chances, 0, rng) for _ in range(100)}


def test_an_image_that_was_just_offered_is_not_offered_again():
    assert drawn(infos(a=time.time(), b=0)) == {"b"}


def test_an_offer_in_the_future_as_after_a_clock_was_set_back_blocks_nothing():
    assert drawn(infos(a=time.time() + 1e6)) == {"a"}


def test_broken_images_are_offered_when_no_others_are_left():
    broken = {SEEN: {ERROR: "no picture"}}
    assert drawn({"a": broken, "b": {}}) == {"b"}
    assert drawn({"a": broken}) == {"a"}
