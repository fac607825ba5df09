"""A second look at labels: the queue, and verdicts that do not overwrite each other."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from monai_label.studies_in_memory import StudiesInMemory

from monai_vlsm.errors import MissingFileError
from monai_vlsm.monai_label.refusals import OvertakenError
from monai_vlsm.monai_label.reviews import GONE, REVIEWS, judge, queue, verdict_on
from monai_vlsm.monai_label.scores import SEEN


def seen(mean_probability: float) -> dict[str, object]:
    look = mean_probability < 0.9
    return {SEEN: {"presence": 1.0, "entropy": 0.1, "mean_probability": mean_probability, "look": look}}


@pytest.fixture
def studies(tmp_path) -> StudiesInMemory:
    """A sure and an unsure label, one not looked at, one of an image that cannot be read, and an image without."""
    studies = StudiesInMemory(tmp_path, "sure", "unsure", "new", "broken", "bare")
    for image in ("sure", "unsure", "new", "broken"):
        studies.give_label(image, f"mask of {image}")
    studies.infos["sure"] = seen(0.97)
    studies.infos["unsure"] = seen(0.61)
    studies.infos["broken"] = {SEEN: {"error": "this is no picture."}}
    return studies


def version(studies, image):
    return next(row["version"] for row in queue(studies, None) if row["image"] == image)


def test_the_least_sure_labels_come_first_with_a_reason(studies):
    rows = queue(studies)
    assert [row["image"] for row in rows] == ["broken", "unsure", "sure", "new"]
    reasons = [row["reason"] for row in rows]
    assert "this is no picture" in reasons[0]
    assert reasons[1] == "the mean probability of the model's mask is 0.61: somebody should look"
    assert "look" not in reasons[2]
    assert "not looked at the image yet" in reasons[3]


@pytest.mark.parametrize("verdict", ["accept", "fix", "reject"])
def test_a_verdict_is_kept_with_who_and_when_and_leaves_the_queue(studies, verdict):
    row = judge(studies, "sure", version(studies, "sure"), verdict, "Dr. Ada", "fine")
    assert (row["state"], row["reviewer"], row["comment"]) == (verdict, "Dr. Ada", "fine")
    assert row["at"].endswith("+00:00")
    assert "sure" not in [one["image"] for one in queue(studies)]
    assert [one["image"] for one in queue(studies, verdict)] == ["sure"]
    assert verdict_on(studies, "sure") == verdict


def test_a_second_person_cannot_overwrite_what_they_did_not_see(studies):
    both_saw = version(studies, "sure")
    judge(studies, "sure", both_saw, "reject", "Ada")
    with pytest.raises(OvertakenError, match="Ada said 'reject' at 20"):
        judge(studies, "sure", both_saw, "accept", "Bob")
    assert judge(studies, "sure", version(studies, "sure"), "accept", "Bob")["state"] == "accept"
    assert [said["reviewer"] for said in studies.infos["sure"][REVIEWS]] == ["Ada", "Bob"]


def test_of_people_who_judge_at_the_same_time_one_is_heard(studies):
    seen_by_all = version(studies, "sure")

    def say(person: int) -> bool:
        try:
            judge(studies, "sure", seen_by_all, "accept", str(person))
        except OvertakenError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(say, range(8))) == 1


def test_a_label_that_was_replaced_cannot_be_judged_by_its_old_version(studies):
    before = version(studies, "sure")
    studies.give_label("sure", "another mask")
    with pytest.raises(OvertakenError, match="it is a new label"):
        judge(studies, "sure", before, "accept", "Ada")


def test_a_new_label_waits_for_a_review_again(studies):
    judge(studies, "sure", version(studies, "sure"), "fix", "Ada")
    studies.give_label("sure", "a better mask")
    assert verdict_on(studies, "sure") == "waiting"
    assert "sure" in [row["image"] for row in queue(studies)]


def test_an_accepted_mask_of_a_model_becomes_the_label(studies):
    studies.give_label("bare", "mask of the model", tag="original")
    row = judge(studies, "bare", version(studies, "bare"), "accept", "Ada")
    assert (row["tag"], row["state"]) == ("final", "accept")
    assert studies.label_path("bare", "final").read_text() == "mask of the model"


def test_no_label_is_saved_while_a_verdict_is_noted(studies, tmp_path, monkeypatch):
    better = tmp_path / "better"
    better.write_text("a better mask")
    saving = threading.Thread(target=studies.save_label, args=("sure", str(better), "final", {}))
    noted = studies.update_image_infos

    def note_slowly(infos):
        saving.start()
        saving.join(0.1)
        assert studies.label_path("sure", "final").read_text() == "mask of sure"
        noted(infos)

    monkeypatch.setattr(studies, "update_image_infos", note_slowly)
    assert judge(studies, "sure", version(studies, "sure"), "accept", "Ada")["state"] == "accept"
    saving.join(10)
    assert verdict_on(studies, "sure") == "waiting"


def test_a_verdict_is_of_the_label_that_was_seen_even_if_another_takes_its_place(studies, monkeypatch):
    studies.give_label("bare", "mask of the model", tag="original")
    saved = studies.save_label

    def overtaken(*label):
        saved(*label)
        studies.give_label("bare", "put into the folder by hand")

    monkeypatch.setattr(studies, "save_label", overtaken)
    judge(studies, "bare", version(studies, "bare"), "accept", "Ada")
    assert verdict_on(studies, "bare") == "waiting"


@pytest.mark.parametrize("verdict", ["fix", "reject"])
def test_a_mask_of_a_model_that_is_not_accepted_becomes_no_label(studies, verdict):
    studies.give_label("bare", "mask of the model", tag="original")
    judge(studies, "bare", version(studies, "bare"), verdict, "Ada")
    assert not studies.label_path("bare", "final").exists()


def test_a_label_without_file_is_listed_and_hides_no_other(studies, monkeypatch):
    monkeypatch.setattr(studies, "get_labels_by_image_id", lambda image: {"final": image})
    assert {row["image"]: row["reason"] for row in queue(studies)}["bare"] == GONE


@pytest.mark.parametrize("image", ["bare", "other"])
def test_there_is_nothing_to_say_of_what_is_not_there(studies, image):
    with pytest.raises(MissingFileError):
        judge(studies, image, "0" * 16, "accept", "Ada")
