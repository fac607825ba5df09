"""Tests of letting one process at a time write into a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from monai_vlsm.data import folder_lock
from monai_vlsm.data.folder_lock import FolderLock
from monai_vlsm.errors import DataError

HOLD = """
import sys
from monai_vlsm.data.folder_lock import FolderLock
lock = FolderLock(sys.argv[1])
lock.acquire()
print("locked", flush=True)
sys.stdin.read()
lock.release()
"""


@contextmanager
def another_process(folder, *prefix):
    command = [*prefix, sys.executable, "-c", HOLD, str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def write_owner(folder, **changes):
    owner = {
        "host": folder_lock.socket.gethostname(),
        "process": 1,
        "started": time.time(),
        "boot": folder_lock._boot_id(),
        **changes,
    }
    (folder / ".training.json").write_text(json.dumps(owner))


def test_a_free_folder_is_locked_and_says_by_whom(tmp_path):
    lock = FolderLock(tmp_path / "models")
    lock.acquire()
    owner = json.loads((tmp_path / "models" / ".training.json").read_text())
    assert (owner["process"], owner["host"]) == (os.getpid(), folder_lock.socket.gethostname())
    lock.release()
    assert not (tmp_path / "models" / ".training.json").exists()


def test_a_folder_is_locked_again_after_its_release(tmp_path):
    for _ in range(2):
        lock = FolderLock(tmp_path)
        lock.acquire()
        lock.release()


def test_a_second_lock_of_the_same_process_is_refused(tmp_path):
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.acquire()
    with pytest.raises(DataError, match=f"process {os.getpid()} on "):
        second.acquire()
    second.release()
    with pytest.raises(DataError):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_lock_of_another_process_is_refused_by_its_number_and_the_way_out(tmp_path):
    with (
        another_process(tmp_path) as process,
        pytest.raises(DataError, match=f"process {process.pid} on .*Wait for its end"),
    ):
        FolderLock(tmp_path).acquire()


def test_a_refused_process_leaves_the_lock_as_it_was(tmp_path):
    with another_process(tmp_path):
        before = (tmp_path / ".training.json").read_text()
        for _ in range(2):
            lock = FolderLock(tmp_path)
            with pytest.raises(DataError):
                lock.acquire()
            lock.release()
        assert (tmp_path / ".training.json").read_text() == before


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path, caplog):
    with another_process(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        lock = FolderLock(tmp_path)
        lock.acquire()
    assert f"process {process.pid}" in caplog.text
    assert json.loads((tmp_path / ".training.json").read_text())["process"] == os.getpid()
    lock.release()


def test_a_process_that_was_forked_does_not_keep_the_lock_of_a_killed_one(tmp_path):
    """Processes that load data outlive a killed training by some seconds."""
    forking = HOLD.replace("print(", "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nprint(")
    process = subprocess.Popen(
        [sys.executable, "-c", forking, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout.readline() == "locked\n"
    try:
        process.kill()
        process.wait()
        lock = FolderLock(tmp_path)
        lock.acquire()
        lock.release()
    finally:
        os.killpg(process.pid, signal.SIGKILL)


def _may_unshare() -> bool:
    return subprocess.run([*CONTAINER, "true"], capture_output=True, check=False).returncode == 0


CONTAINER = ("unshare", "--pid", "--fork", "--uts", "--kill-child")


@pytest.mark.skipif(not _may_unshare(), reason="name spaces of processes cannot be made here")
def test_a_lock_of_another_container_is_refused_though_its_process_numbers_are_others(tmp_path):
    rename = ("sh", "-c", 'hostname other; exec "$@"', "sh")
    with (
        another_process(tmp_path, *CONTAINER, *rename),
        pytest.raises(DataError, match=r"process \d+ on 'other'.*Wait for its end"),
    ):
        FolderLock(tmp_path).acquire()


@pytest.mark.skipif(not _may_unshare(), reason="name spaces of processes cannot be made here")
def test_the_lock_of_a_killed_container_is_taken_over_though_its_host_name_is_gone(tmp_path):
    rename = ("sh", "-c", 'hostname other; exec "$@"', "sh")
    with another_process(tmp_path, *CONTAINER, *rename) as process:
        process.kill()
        process.stdout.read()  # until the last process of the container is gone
        assert json.loads((tmp_path / ".training.json").read_text())["host"] == "other"
        FolderLock(tmp_path).acquire()


def test_a_lock_from_before_a_restart_is_taken_over(tmp_path):
    write_owner(tmp_path, boot="of an earlier start", started=folder_lock._boot_time() - 60)
    lock = FolderLock(tmp_path)
    lock.acquire()
    lock.release()


def test_another_machine_is_refused_with_the_file_to_remove(tmp_path):
    """Network disks do not always share locks between machines."""
    write_owner(tmp_path, boot="of another machine", host="elsewhere", process=42)
    with pytest.raises(DataError, match=r"process 42 on 'elsewhere'.*remove .*\.training\.json"):
        FolderLock(tmp_path).acquire()
    (tmp_path / ".training.json").unlink()
    FolderLock(tmp_path).acquire()


def test_another_machine_of_the_same_name_is_refused(tmp_path):
    """Two containers with one host name and the same process number, on two machines."""
    write_owner(tmp_path, boot="of another machine", process=os.getpid())
    with pytest.raises(DataError, match=r"remove .*\.training\.json"):
        FolderLock(tmp_path).acquire()


def test_a_refusal_of_another_machine_does_not_keep_the_lock(tmp_path):
    write_owner(tmp_path, boot="of another machine", host="elsewhere")
    with pytest.raises(DataError):
        FolderLock(tmp_path).acquire()
    write_owner(tmp_path)
    FolderLock(tmp_path).acquire()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff", b'{"host": 1}', b"null", b'{"process": null}'])
def test_an_unreadable_owner_does_not_matter_where_the_lock_is_free(tmp_path, content):
    (tmp_path / ".training.json").write_bytes(content)
    FolderLock(tmp_path).acquire()


@pytest.mark.parametrize("content", [b"", b"[1]", b"\xff"])
def test_an_unreadable_owner_does_not_open_the_lock(tmp_path, content):
    with another_process(tmp_path):
        (tmp_path / ".training.json").write_bytes(content)
        with pytest.raises(DataError, match="of an unknown process"):
            FolderLock(tmp_path).acquire()


def test_a_folder_that_cannot_be_written_is_named_and_not_locked(tmp_path, monkeypatch):
    def fail(self, text, encoding):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", fail)
    lock = FolderLock(tmp_path)
    for _ in range(2):
        with pytest.raises(DataError, match="the disk is full"):
            lock.acquire()


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "models").write_text("")
    with pytest.raises(DataError, match=r"cannot write .*models"):
        FolderLock(tmp_path / "models").acquire()


def test_another_work_has_a_lock_and_words_of_its_own(tmp_path):
    FolderLock(tmp_path).acquire()
    first, second = (FolderLock(tmp_path, "prediction", "choose another folder") for _ in range(2))
    first.acquire()
    with pytest.raises(DataError, match=r"a prediction writes into .*, or choose another folder\."):
        second.acquire()
    first.release()
