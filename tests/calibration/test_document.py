"""The file with a calibration, which may come from a stranger."""

from __future__ import annotations

import copy
import json
import os
import signal
from pathlib import Path

import pytest
from calibration.documents import DOCUMENT, document
from forked import die, end_of_fork

from monai_vlsm.calibration import IDENTITY, read_calibration, read_document
from monai_vlsm.calibration.document import calibration_of, sha256_of, write_document
from monai_vlsm.errors import DataError, MissingFileError


@pytest.fixture
def path(tmp_path):
    (tmp_path / "models").mkdir()
    return tmp_path / "models" / "calibration.json"


@pytest.fixture
def checkpoint(path):
    file = path.with_name("model.pt")
    file.write_bytes(b"weights")
    return file


def spoiled(place: str, value: object) -> dict:
    """Return a calibration with another value at a place such as ``temperature#value``; without it where it is None."""
    result = copy.deepcopy(DOCUMENT)
    *way, last = place.split("#")
    part = result
    for key in way:
        part = part[key]
    if value is None:
        del part[last]
    else:
        part[last] = value
    return result


def test_what_is_written_is_read(path):
    write_document(path, DOCUMENT)
    assert read_document(path) == DOCUMENT


def test_no_file_changes_nothing(path, checkpoint):
    assert read_calibration(checkpoint, 96) == IDENTITY


def test_the_numbers_of_the_file_are_used(path, checkpoint):
    write_document(path, document(checkpoint_sha256=sha256_of(checkpoint)))
    found = read_calibration(checkpoint, 96)
    assert (found.temperature, found.slope, found.offset, found.cut) == (2.0, 0.5, -1.0, 0.4)
    assert found.thresholds == {"best_dice": 0.6, "risk_control": 0.2}


def test_what_is_missing_leaves_all_else_to_use():
    absent = {"missing": "there are 0 cases without it"}
    found = calibration_of(document(temperature=absent, presence=absent, risk_control=absent))
    assert (found.temperature, found.slope, found.offset, found.cut) == (1.0, 1.0, 0.0, 0.0)
    assert found.thresholds == {"best_dice": 0.6}
    assert found.missing == {"risk_control": "there are 0 cases without it"}


def test_a_calibration_of_another_checkpoint_is_refused(path, checkpoint):
    write_document(path, DOCUMENT)
    with pytest.raises(DataError, match=r"made for another checkpoint.*Run 'calibrating' again"):
        read_calibration(checkpoint, 96)


def test_a_checkpoint_that_was_written_anew_is_another(path, checkpoint):
    write_document(path, document(checkpoint_sha256=sha256_of(checkpoint)))
    read_calibration(checkpoint, 96)
    checkpoint.write_bytes(b"WEIGHTS")
    os.utime(checkpoint, ns=(1, 1))
    with pytest.raises(DataError, match="another checkpoint"):
        read_calibration(checkpoint, 96)


def test_a_calibration_of_another_image_size_is_refused(path, checkpoint):
    write_document(path, document(checkpoint_sha256=sha256_of(checkpoint)))
    with pytest.raises(DataError, match="made for the image size 96, and the model runs at 32"):
        read_calibration(checkpoint, 32)


def test_a_calibration_without_its_checkpoint_is_refused(path):
    write_document(path, DOCUMENT)
    with pytest.raises(MissingFileError, match="which the calibration belongs to"):
        read_calibration(path.with_name("none.pt"), 96)


SPOILED = [
    ("format", 2),
    ("format", True),
    ("format", "1"),
    ("format", None),
    ("checkpoint_sha256", "0" * 63),
    ("checkpoint_sha256", 0),
    ("image_size", 64.5),
    ("image_size", True),
    ("image_size", -1),
    ("data", []),
    ("data#entries", "20"),
    ("data#groups", 1.5),
    ("temperature", 2.0),
    ("temperature#value", 0),
    ("temperature#value", -2.0),
    ("temperature#value", 1e300),
    ("temperature#value", "2.0"),
    ("temperature#value", True),
    ("temperature#value", None),
    ("temperature#ci95#value", [3, 1]),
    ("temperature#ci95#value", [1, "2"]),
    ("temperature#ci95#value", [1, 2, 3]),
    ("temperature#reliability#before#pixels", {}),
    ("temperature#reliability#before#pixels", [0] * 1001),
    ("presence#a", -0.5),
    ("presence#b", 10**400),
    ("presence#threshold", 1.5),
    ("threshold", {}),
    ("threshold#best_dice", [0.5]),
    ("risk_control", {"missing": ["a", "list"]}),
    ("risk_control", {"missing": "x" * 1001}),
    ("risk_control", {"missing": "so", "threshold": 0.5}),
    ("risk_control#n", 9.5),
    ("versions", {"torch": 2}),
    ("$import os", "$__import__('os')"),
    ("temperature#_target_", "os.system"),
]


@pytest.mark.parametrize(("place", "value"), SPOILED, ids=[f"{place} {value!r:.20}" for place, value in SPOILED])
def test_what_cannot_be_is_refused_with_its_place(path, place, value):
    path.write_text(json.dumps(spoiled(place, value)), encoding="utf-8")
    with pytest.raises(DataError, match=r"no calibration that this version reads.*take the file away") as error:
        read_document(path)
    assert f"'{place}" in str(error.value)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(path, number):
    path.write_text(json.dumps(DOCUMENT).replace('"value": 2.0', f'"value": {number}'), encoding="utf-8")
    with pytest.raises(DataError, match=r"'temperature#value' must be a number from 0\.05 to 20"):
        read_document(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no JSON"),
        (b"\x80\x04pickle", "is no JSON"),
        (b"[1]", "not keys with values"),
        (json.dumps(DOCUMENT).encode()[:-40], "is no JSON"),
        (b'{"format": 1, "format": 1}', "twice"),
        (b'{"a":' * 10_000, "is no JSON"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested deeper"),
        (b" " * (2**20 + 1), "more than 1,048,576 bytes"),
    ],
)
def test_what_is_no_file_of_ours_is_refused(path, content, reason):
    path.write_bytes(content)
    with pytest.raises(DataError, match=reason):
        read_document(path)


def test_a_link_is_refused(path, checkpoint):
    path.symlink_to("nowhere")
    with pytest.raises(DataError, match="is a link"):
        read_calibration(checkpoint, 96)


def test_a_pipe_does_not_block(path, checkpoint):
    os.mkfifo(path)
    with pytest.raises(DataError, match="no plain file"):
        read_calibration(checkpoint, 96)


def test_a_calibration_that_cannot_be_is_not_written(path):
    write_document(path, DOCUMENT)
    with pytest.raises(DataError, match="temperature#value"):
        write_document(path, spoiled("temperature#value", float("nan")))
    assert read_document(path) == DOCUMENT
    assert [file.name for file in path.parent.iterdir()] == ["calibration.json"]


def test_a_killed_writer_leaves_the_calibration_that_was_there(path, monkeypatch):
    write_document(path, DOCUMENT)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        assert end_of_fork(lambda: write_document(path, {**DOCUMENT, "date": "later"})) == -signal.SIGKILL
    assert read_document(path) == DOCUMENT
