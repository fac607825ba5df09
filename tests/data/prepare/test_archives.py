"""Archives are unpacked without being trusted."""

from __future__ import annotations

import io
import random
import shutil
import tarfile
import zipfile
from collections import namedtuple

import pytest

from monai_vlsm.data.prepare import archives
from monai_vlsm.data.prepare.archives import open_sources
from monai_vlsm.errors import DataError, MissingFileError


def write_zip(path, *names):
    with zipfile.ZipFile(path, "w") as file:
        for name in names:
            file.writestr(name, "content")
    return path


def write_tar(path, name, kind=tarfile.REGTYPE, target="", content=b"content"):
    with tarfile.open(path, "w:gz") as file:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname, entry.size = kind, target, len(content) if kind == tarfile.REGTYPE else 0
        file.addfile(entry, io.BytesIO(content))
    return path


@pytest.mark.parametrize("kind", ["zip", "tar.gz", "folder with an archive", "zip without suffix"])
def test_what_is_unpacked_is_there_and_gone_afterwards(tmp_path, kind):
    source = tmp_path / "download"
    source.mkdir()
    if kind == "tar.gz":
        given = write_tar(source / "data.tar.gz", "images/1.png")
    else:
        given = write_zip(source / ("3381290" if "without" in kind else "data.zip"), "images/1.png")
    with open_sources([source if "folder" in kind else given], tmp_path, progress=False) as roots:
        found = [path for root in roots for path in root.rglob("1.png")]
        assert [path.read_text() for path in found] == ["content"]
    assert not found[0].exists()
    assert {path.name for path in tmp_path.iterdir()} == {"download"}


@pytest.mark.parametrize("name", ["../evil.png", "/evil.png", "images/../../evil.png", "..\\evil.png", "C:\\evil.png"])
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_an_entry_that_leads_out_of_the_folder_is_refused_by_name(tmp_path, name, write):
    given = write(tmp_path / ("evil.zip" if write is write_zip else "evil.tar.gz"), name)
    with pytest.raises(DataError, match=r"was not unpacked: its entry .*evil"), open_sources([given], tmp_path, False):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {given.name}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    given = write_tar(tmp_path / "evil.tar.gz", "images/link", kind, "/etc/passwd")
    with pytest.raises(DataError, match="no plain file"), open_sources([given], tmp_path, False):
        pass


@pytest.mark.parametrize("keep", [0.3, 0.9])
@pytest.mark.parametrize("suffix", ["zip", "tar.gz"])
def test_a_truncated_archive_is_named_and_leaves_nothing(tmp_path, keep, suffix):
    given = tmp_path / f"data.{suffix}"
    if suffix == "zip":
        write_zip(given, *(f"images/{i}.png" for i in range(50)))
    else:
        write_tar(given, "images/1.png", content=random.Random(0).randbytes(100_000))
    content = given.read_bytes()
    given.write_bytes(content[: int(len(content) * keep)])
    with pytest.raises(DataError, match=rf"data\.{suffix}.*(damaged|complete)"), open_sources([given], tmp_path, False):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {given.name}


def test_a_damaged_entry_is_told(tmp_path):
    given = write_zip(tmp_path / "data.zip", "images/1.png")
    given.write_bytes(given.read_bytes().replace(b"content", b"cOntent", 1))
    with pytest.raises(DataError, match=r"data\.zip.*damaged"), open_sources([given], tmp_path, False):
        pass


def test_a_damaged_compressed_entry_is_told(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("images/1.png", random.Random(0).randbytes(5000))
    content = bytearray((tmp_path / "data.zip").read_bytes())
    content[60:90] = bytes(30)
    (tmp_path / "data.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"data\.zip.*damaged"), open_sources([tmp_path / "data.zip"], tmp_path, False):
        pass


def test_a_full_disk_is_told_with_the_space_that_is_needed(tmp_path, monkeypatch):
    given = write_zip(tmp_path / "data.zip", *(f"images/{i}.png" for i in range(10)))
    usage = namedtuple("usage", "free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(69))
    with (
        pytest.raises(DataError, match=r"not enough room to unpack data\.zip: \d+ MB are needed"),
        open_sources([given], tmp_path, False),
    ):
        pass


def test_room_is_asked_for_before_anything_is_unpacked(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(archives, "require_space", lambda folder, size, purpose: asked.append(size))
    with open_sources([write_zip(tmp_path / "data.zip", "a", "b")], tmp_path, False):
        assert asked == [14]


@pytest.mark.parametrize("name", ["data.rar", "data.7z"])
def test_archives_that_need_another_program_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"Rar!")
    with pytest.raises(DataError, match="unpack it yourself"), open_sources([tmp_path / name], tmp_path, False):
        pass


def test_a_source_that_is_not_there_is_named(tmp_path):
    with (
        pytest.raises(MissingFileError, match=r"nowhere\.zip"),
        open_sources([tmp_path / "nowhere.zip"], tmp_path, False),
    ):
        pass
