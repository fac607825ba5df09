"""Which image next, and a second look, over REST."""

from __future__ import annotations

import csv
import json
import time
import urllib.parse

import numpy as np
import pytest
from monai_label.conftest import BROKEN
from monai_label.pictures import KINDS, picture, write_mask

REVIEWED = ("gray", "rgb", "oblique")


@pytest.fixture(scope="module")
def server(learning, tmp_path_factory):
    """The server that learns, while three of its images have a label."""
    mask = write_mask(tmp_path_factory.mktemp("labels") / "mask.nii.gz", (picture() > 100).astype(np.uint8))
    for image in REVIEWED:
        assert learning.save_label(image, mask).status == 200
    yield learning
    for image in REVIEWED:
        assert learning.request("DELETE", f"/datastore/label?id={image}&tag=final").status == 200


def image_info(server, image):
    return server.request("GET", f"/datastore/image/info?image={image}").json()


@pytest.fixture(scope="module")
def looked_at(server):
    """The server, after it has looked at all images in the background."""
    end = time.monotonic() + 120
    while not all("seen" in image_info(server, image) for image in (*KINDS, BROKEN)):
        assert time.monotonic() < end, server.log.read_text()[-3000:]
        time.sleep(1)
    return server


def rows(server, **query):
    answer = server.request("GET", f"/review/?{urllib.parse.urlencode(query)}")
    assert answer.status == 200, answer.body
    return answer.json()


def say(server, image, **params):
    return server.request("POST", f"/review/{image}", json.dumps(params).encode())


def test_clients_are_offered_the_default_strategy_first(server):
    assert list(server.info()["strategies"]) == ["random_foreground", "uncertain", "random", "first"]


@pytest.mark.parametrize("strategy", ["random_foreground", "uncertain"])
def test_the_next_image_is_one_without_label_that_can_be_read(looked_at, strategy):
    sample = looked_at.request("POST", f"/activelearning/{strategy}", b'{"client_id": "user-xyz"}').json()
    assert sample["id"] in set(KINDS) - set(REVIEWED)
    assert 0 <= sample["seen"]["presence"] <= 1


def test_an_image_that_cannot_be_read_is_noted_and_stops_nothing(looked_at):
    assert "error" in image_info(looked_at, BROKEN)["seen"]
    assert {image_info(looked_at, image)["seen"]["model"] for image in KINDS} == {
        image_info(looked_at, BROKEN)["seen"]["model"]
    }


def test_labels_are_listed_with_the_least_sure_first(looked_at):
    listed = rows(looked_at, state="all")
    assert {row["image"] for row in listed} == set(REVIEWED)
    probabilities = [row["mean_probability"] for row in listed]
    assert probabilities == sorted(probabilities)


def test_the_queue_can_be_had_as_a_table(server):
    answer = server.request("GET", "/review/?state=all&format=csv")
    assert answer.content_type.startswith("text/csv")
    listed = list(csv.DictReader(answer.body.decode().splitlines()))
    assert {row["image"] for row in listed} == set(REVIEWED)


def test_a_rejected_label_is_not_trained_on_and_one_to_fix_is_offered_again(server):
    seen = {row["image"]: row["version"] for row in rows(server, state="all")}
    assert say(server, "gray", verdict="reject", reviewer="Ada", version=seen["gray"]).status == 200
    assert say(server, "rgb", verdict="fix", reviewer="Ada", version=seen["rgb"]).status == 200
    overtaken = say(server, "gray", verdict="accept", reviewer="Bob", version=seen["gray"])
    assert overtaken.status == 409
    assert "Ada said 'reject'" in overtaken.reason
    assert [row["image"] for row in rows(server)] == ["oblique"]
    # One is left to train on, which is a volume.
    assert say(server, "oblique", verdict="reject", reviewer="Ada", version=seen["oblique"]).status == 200
    refused = server.train("busi", run_sync=True, max_epochs=1)
    assert refused.status == 400
    assert "nothing to train on" in refused.reason
    offered = {server.request("POST", "/activelearning/first", b"{}").json()["id"] for _ in range(3)}
    assert offered <= set(KINDS) - {"gray", "oblique"} | {BROKEN}


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"verdict": "delete"},
        {"reviewer": ""},
        {"reviewer": "a\nb"},
        {"reviewer": "x" * 101},
        {"comment": "x" * 1001},
        {"version": "../x"},
        {"path": "/etc/passwd"},
    ],
    ids=str,
)
def test_a_review_says_what_it_may_and_nothing_else(server, params):
    good = {"verdict": "accept", "reviewer": "Ada", "version": "0" * 16}
    answer = say(server, "gray", **({**good, **params} if params else {}))
    assert answer.status == 400
    assert next(iter(params), "verdict") in answer.reason


@pytest.mark.parametrize(
    ("image", "status"), [("other", 404), ("flat", 404), ("..%2f..%2fetc%2fpasswd", 404), ("%2e%2e", 404)]
)
def test_only_labels_of_the_studies_can_be_reviewed(server, image, status):
    assert say(server, image, verdict="accept", reviewer="Ada", version="0" * 16).status == status


@pytest.mark.parametrize("query", ["state=other", "format=html"])
def test_a_queue_is_asked_for_in_known_words(server, query):
    assert server.request("GET", f"/review/?{query}").status == 400


def test_an_image_that_cannot_be_read_does_not_end_a_batch(server):
    answer = server.request("POST", "/batch/infer/busi?images=unlabeled&run_sync=true", b'{"max_batch_size": 3}')
    assert answer.status == 200, answer.body
    said = answer.json()
    assert list(said) == ["anisotropic", BROKEN, "color"]
    assert "cannot be read" in said[BROKEN]["error"]
    assert {image for image in said if "error" in said[image]} == {BROKEN}
