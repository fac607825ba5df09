"""Arrays on disk: found by their content, whole or not there."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from small_disk import SMALL_DISK

from monai_vlsm.data.content_store import ContentStore, content_key
from monai_vlsm.errors import DataError

KEY, OTHER = content_key("a"), content_key("b")
SHAPE = (2, 3, 4)
ARRAY = np.arange(24, dtype=np.uint8).reshape(SHAPE)


@pytest.fixture
def store(tmp_path):
    return ContentStore(tmp_path / "images", SHAPE)


@pytest.fixture
def filled(store):
    store.put(KEY, ARRAY)
    return store


def fill(store, keys, **options):
    made = []

    def make(sources):
        made.append(sources)
        return [np.full(SHAPE, source) for source in sources]

    store.fill(store.prepare(keys, "take less"), make, progress=False, **options)
    return made


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


# Reading and writing


def test_what_was_put_is_got_by_its_key_alone(filled):
    np.testing.assert_array_equal(filled.get(KEY), ARRAY)
    assert filled.get(OTHER) is None


def test_numpy_reads_a_file_of_the_store(filled):
    np.testing.assert_array_equal(np.load(filled.path(KEY)), ARRAY)


def test_arrays_are_mapped_and_who_writes_into_one_does_not_change_its_file(filled):
    found = filled.get(KEY)
    assert isinstance(found, np.memmap)
    found[:] = 7
    np.testing.assert_array_equal(filled.get(KEY), ARRAY)


@pytest.mark.parametrize("other", [("a", 2), ("b", 1), ("a", "1"), ("a1",), (1, "a"), ("a", 1, "")])
def test_a_key_depends_on_everything_and_on_its_order(other):
    assert content_key("a", 1) == content_key("a", 1)
    assert content_key(*other) != content_key("a", 1)


def test_a_key_depends_on_the_version_of_the_package(monkeypatch):
    before = content_key("a")
    monkeypatch.setattr("monai_vlsm.data.content_store._version", lambda: "99.0")
    assert content_key("a") != before


def test_only_what_is_missing_is_made_in_batches(filled):
    keys = {KEY: 9, **{content_key(number): number for number in range(3)}}
    assert fill(filled, keys, batch_size=2) == [[0, 1], [2]]
    assert filled.get(content_key(2))[0, 0, 0] == 2
    assert fill(filled, keys) == []


# Damage


def damage(change):
    def write(path):
        content = bytearray(path.read_bytes())
        path.write_bytes(change(content))

    return write


def as_link(path):
    target = path.with_name("elsewhere.npy")
    path.rename(target)
    path.symlink_to(target)


def as_pipe(path):
    path.unlink()
    os.mkfifo(path)


def as_saved(array):
    return lambda path: np.save(path, array)


DAMAGES = {
    "empty": damage(lambda content: b""),
    "cut by a byte": damage(lambda content: content[:-1]),
    "cut in the header": damage(lambda content: content[:20]),
    "longer": damage(lambda content: content + b"\0"),
    "zeros": damage(lambda content: bytes(len(content))),
    "a flipped bit in the header": damage(lambda content: bytes([content[0] ^ 1]) + content[1:]),
    "column by column": damage(lambda content: content.replace(b"False", b"True ")),
    "another type": as_saved(ARRAY.astype(np.int8)),
    "another shape": as_saved(ARRAY.reshape(4, 3, 2)),
    "a pickle": as_saved(np.array([{}] * 3, dtype=object)),
    "gone": Path.unlink,
    "a link": as_link,
    "a pipe": as_pipe,
}


@pytest.mark.parametrize("do_damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_file_counts_as_none_and_is_written_anew(filled, do_damage):
    do_damage(filled.path(KEY))
    assert filled.get(KEY) is None
    assert fill(filled, {KEY: 5}) == [[5]]
    assert filled.get(KEY)[0, 0, 0] == 5


def test_a_link_is_replaced_and_what_it_leads_to_stays(filled, tmp_path):
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    filled.path(OTHER).parent.mkdir(exist_ok=True)
    filled.path(OTHER).symlink_to(target)
    filled.put(OTHER, ARRAY)
    assert target.read_bytes() == b"precious"
    assert not filled.path(OTHER).is_symlink()


def test_foreign_files_stay_and_disturb_nothing(filled):
    foreign = [filled.folder / "notes.txt", filled.folder / "x" / "a.npy", filled.path(KEY).with_suffix(".bak")]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    fill(filled, {KEY: 1, OTHER: 2})
    assert [path.read_text() for path in foreign] == ["mine"] * 3


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "images").touch()
    with pytest.raises(DataError, match="images"):
        ContentStore(tmp_path / "images", SHAPE).put(KEY, ARRAY)


# Interruptions and neighbors

WRITER = """
import sys
import numpy as np
from monai_vlsm.data.content_store import ContentStore, content_key
def make(sources):
    return [np.full({shape}, source) for source in sources]
print("ready", flush=True)
sys.stdin.readline()
store = ContentStore(sys.argv[1], {shape})
keys = {{content_key(number): number for number in range({number})}}
store.fill(store.prepare(keys, ""), make, progress=False)
"""


def start_writer(folder, shape=SHAPE, number=200):
    command = [sys.executable, "-c", WRITER.format(shape=shape, number=number), str(folder)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def let_go(writers):
    assert [writer.stdout.readline() for writer in writers] == ["ready\n"] * len(writers)
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()


def test_a_killed_writer_leaves_nothing_that_is_read(tmp_path):
    shape = (64, 512, 512)  # 16 MB take a while
    writer = start_writer(tmp_path / "images", shape, 50)
    let_go([writer])
    while not files(tmp_path) and writer.poll() is None:
        time.sleep(0.001)
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    store = ContentStore(tmp_path / "images", shape)
    whole = [number for number in range(50) if store.get(content_key(number)) is not None]
    assert len(whole) < 50
    assert all((store.get(content_key(number)) == number).all() for number in whole)


def test_what_a_killed_writer_left_is_removed_when_a_later_run_begins(filled):
    left = filled.path(KEY).with_name(f".0123456789abcdef.part.{OTHER}.npy")
    left.write_bytes(b"half")
    filled.prepare({}, "")
    assert left.exists(), "another process may be writing it"
    os.utime(left, (0, 0))
    filled.prepare({}, "")
    assert files(filled.folder) == [filled.path(KEY)]


def test_two_processes_fill_one_folder_at_once(tmp_path):
    writers = [start_writer(tmp_path / "images") for _ in range(2)]
    let_go(writers)
    assert [writer.wait() for writer in writers] == [0, 0]
    store = ContentStore(tmp_path / "images", SHAPE)
    assert all((store.get(content_key(number)) == number).all() for number in range(200))
    assert len(files(tmp_path)) == 200


def test_what_was_written_before_an_interruption_is_not_made_again(store):
    def make(sources):
        if sources == [1]:
            raise KeyboardInterrupt
        return [ARRAY]

    keys = {KEY: 0, OTHER: 1}
    with pytest.raises(KeyboardInterrupt):
        store.fill(store.prepare(keys, ""), make, progress=False)
    assert fill(store, keys) == [[1]]


# Room


def test_the_size_is_told_before_anything_is_written(filled, caplog):
    with caplog.at_level(logging.INFO, "monai_vlsm"):
        filled.prepare({content_key(number): 0 for number in range(10_000)} | {KEY: 0}, "")
    assert "10,001 images of 0.00 MB each are 2 MB, of which 2 MB have to be written" in caplog.text


def test_a_disk_with_too_little_room_is_refused_with_the_way_out(tmp_path):
    store = ContentStore(tmp_path / "images", (2**20, 2**20, 2**10))
    with pytest.raises(DataError, match=r"not enough room to cache images in .*: take less"):
        store.prepare({KEY: 0}, "take less")
    assert not store.folder.exists()


def test_what_is_there_needs_no_room(filled, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=0))
    assert filled.prepare({KEY: 0}, "") == {}


@SMALL_DISK
def test_a_disk_that_fills_up_is_named_and_what_was_written_is_whole(small_disk):
    store = ContentStore(small_disk / "images", (2**19,))
    keys = {content_key(number): number for number in range(6)}
    with pytest.raises(DataError, match="the disk is full"):
        store.fill(keys, lambda sources: [np.zeros(2**19)] * len(sources), progress=False)
    assert 1 <= len(files(small_disk)) == 6 - len(store.missing(keys)) < 6
