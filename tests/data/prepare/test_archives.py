"""Archives are unpacked without being trusted."""

from __future__ import annotations

import copy
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


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_an_archive_of_too_many_files_is_refused_and_none_is_lost_silently(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(archives, "_MOST_ENTRIES", 2)
    given = tmp_path / f"data.{kind}"
    if kind == "zip":
        write_zip(given, "1.png", "2.png", "3.png")
    else:
        with tarfile.open(given, "w") as file:
            for name in ("1.png", "2.png", "3.png"):
                file.addfile(tarfile.TarInfo(name))
    with pytest.raises(DataError, match="more than 2 files"), open_sources([given], tmp_path, False):
        pass


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


def test_archives_in_an_archive_are_unpacked_one_level_deep(tmp_path):
    """So figshare's "Download all" and the archive of the BKAI competition come."""
    deepest = write_zip(tmp_path / "deepest.zip", "never.png").read_bytes()
    with zipfile.ZipFile(tmp_path / "train.zip", "w") as file:
        file.writestr("train/1.png", "content")
        file.writestr("deepest.zip", deepest)
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as file:
        file.write(tmp_path / "train.zip", "folder/train.zip")
        file.write(tmp_path / "train.zip", "__MACOSX/folder/._train.zip")
        file.writestr("README.txt", "content")
        file.writestr("table.xlsx", deepest)
    with open_sources([tmp_path / "data.zip"], tmp_path, False) as roots:
        found = {path.name for root in roots for path in root.rglob("*") if path.is_file()}
    assert found == {"1.png", "README.txt", "deepest.zip", "table.xlsx", "._train.zip"}


def test_an_archive_in_an_archive_is_not_trusted_either(tmp_path):
    inner = write_zip(tmp_path / "inner.zip", "../evil.png")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as file:
        file.write(inner, "inner.zip")
    inner.unlink()
    with pytest.raises(DataError, match=r"inner\.zip.*evil"), open_sources([tmp_path / "data.zip"], tmp_path, False):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"data.zip"}


def crafted_zip(path, *names, **fields):
    """Write a zip whose entries have other values in their directory than they should."""
    with zipfile.ZipFile(path, "w") as file:
        for name in names or ("images/1.png",):
            file.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), "content")
        for info in file.infolist():
            for field, value in fields.items():
                setattr(info, field, value)
    return path


def patched_zip(path, signature, offset, value):
    """Write a zip and change bytes of the header with this signature."""
    content = bytearray(write_zip(path, "images/1.png").read_bytes())
    start = content.index(signature) + offset
    content[start : start + len(value)] = value
    path.write_bytes(content)
    return path


def crafted_tar(path, **fields):
    """Write a tar with an entry of these fields, and headers of the pax format."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as file:
        info = tarfile.TarInfo("images/1.png")
        info.size = 7
        for field, value in fields.items():
            setattr(info, field, value)
        file.addfile(info, io.BytesIO(b"content"))
    return path


def overlapping_zip(path):
    """Let a hundred names share the bytes of one entry, as in a bomb without archives in archives."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("0", bytes(100_000))
        shared = file.infolist()[0]
        for number in range(1, 100):
            info = copy.copy(shared)
            info.filename = info.orig_filename = f"{number}"
            file.filelist.append(info)
            file.NameToInfo[info.filename] = info
        file._didModify = True
    return path


DIRECTORY, LOCAL, END = b"PK\x01\x02", b"PK\x03\x04", b"PK\x05\x06"
CRAFTED = {
    "zip: unknown compression": lambda p: patched_zip(p / "x.zip", DIRECTORY, 10, b"\x63\x00"),
    "zip: locked": lambda p: patched_zip(p / "x.zip", DIRECTORY, 8, b"\x01\x00"),
    "zip: claims 4 GB": lambda p: patched_zip(p / "x.zip", DIRECTORY, 24, b"\xfe\xff\xff\xff"),
    "zip: claims less than it has": lambda p: patched_zip(p / "x.zip", DIRECTORY, 24, b"\x03\0\0\0"),
    "zip: starts before the file": lambda p: patched_zip(p / "x.zip", END, 16, b"\xff\xff\xff\x7f"),
    "zip: entry far behind the end": lambda p: patched_zip(p / "x.zip", DIRECTORY, 42, b"\xff\xff\xff\x7f"),
    "zip: broken extra field": lambda p: crafted_zip(p / "x.zip", extra=b"\x01\x00\xff\xff"),
    "zip: other name in the local header": lambda p: patched_zip(p / "x.zip", LOCAL, 30, b"imagez"),
    "zip: NUL in a name": lambda p: patched_zip(p / "x.zip", LOCAL, 36, b"\0"),
    "zip: link": lambda p: crafted_zip(p / "x.zip", external_attr=0o120777 << 16),
    "zip: name of 1000 letters": lambda p: crafted_zip(p / "x.zip", "a" * 1000),
    "zip: line break in a name": lambda p: crafted_zip(p / "x.zip", "a\nb.png"),
    "zip: file and folder of one name": lambda p: crafted_zip(p / "x.zip", "a", "a/b.png"),
    "zip: folder and file of one name": lambda p: crafted_zip(p / "x.zip", "a/b.png", "a"),
    "zip: entry without a name": lambda p: crafted_zip(p / "x.zip", "."),
    "zip: overlapping entries": lambda p: overlapping_zip(p / "x.zip"),
    "tar: NUL in a name": lambda p: crafted_tar(p / "x.tar", pax_headers={"path": "a\0b.png"}),
    "tar: size below 0": lambda p: crafted_tar(p / "x.tar", pax_headers={"size": "-5120"}),
    "tar: size of a petabyte": lambda p: crafted_tar(p / "x.tar", pax_headers={"size": str(10**15)}),
    "tar: name of 1000 letters": lambda p: crafted_tar(p / "x.tar", name="a" * 1000),
    "tar: surrogate in a name": lambda p: crafted_tar(p / "x.tar", name="a\udcff.png"),
    "tar: sparse": lambda p: crafted_tar(
        p / "x.tar", pax_headers={"GNU.sparse.map": "0,1", "GNU.sparse.size": str(10**12), "GNU.sparse.realsize": "7"}
    ),
    "tar: device": lambda p: crafted_tar(p / "x.tar", type=tarfile.CHRTYPE, size=0),
    "tar: nothing but noise": lambda p: (p / "x.tar").write_bytes(random.Random(0).randbytes(5000)) and p / "x.tar",
    "tar: empty file": lambda p: (p / "x.tar").write_bytes(b"") or p / "x.tar",
}


@pytest.mark.parametrize("write", CRAFTED.values(), ids=CRAFTED)
def test_a_crafted_archive_is_one_error_and_leaves_nothing(tmp_path, write):
    given = write(tmp_path)
    with pytest.raises(DataError, match=r"x\.(zip|tar)"), open_sources([given], tmp_path, False):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {given.name}


@pytest.mark.parametrize(
    "write", [lambda p: crafted_tar(p / "x.tar", mtime=10**18), lambda p: crafted_tar(p / "x.tar", uid=10**9)]
)
def test_dates_and_owners_of_an_archive_do_not_matter(tmp_path, write):
    """A date of the year 31 billion was an OverflowError."""
    with open_sources([write(tmp_path)], tmp_path, False) as roots:
        assert [path.name for path in roots[0].rglob("*.png")] == ["1.png"]


def test_two_entries_of_one_name_are_refused(tmp_path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        given = write_zip(tmp_path / "x.zip", "a.png", "a.png")
    with pytest.raises(DataError, match=r"two entries 'a\.png'"), open_sources([given], tmp_path, False):
        pass


def test_a_bomb_is_refused_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_ALWAYS_ALLOWED", 1000)
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(1_000_000))
    with pytest.raises(DataError, match="more than 200 times"), open_sources([tmp_path / "x.zip"], tmp_path, False):
        pass


def test_bombs_in_an_archive_share_what_is_allowed(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "inner.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(400_000))
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as file:
        for number in range(3):
            file.write(tmp_path / "inner.zip", f"{number}.zip")
    monkeypatch.setattr(archives, "_ALWAYS_ALLOWED", 1_000_000)
    monkeypatch.setattr(archives, "_MOST_TIMES", 1)
    with (
        pytest.raises(DataError, match=r"2\.zip.*was not unpacked"),
        open_sources([tmp_path / "x.zip"], tmp_path, False),
    ):
        pass
    assert {path.name for path in tmp_path.iterdir()} == {"inner.zip", "x.zip"}


def test_names_that_differ_in_their_case_only_both_come_or_are_refused(tmp_path):
    try:
        with open_sources([write_zip(tmp_path / "x.zip", "a.png", "A.png")], tmp_path, False) as roots:
            assert {path.name for path in roots[0].iterdir()} == {"a.png", "A.png"}
    except DataError:  # a file system that takes them for one
        pass


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
def test_no_damage_leads_to_another_error(tmp_path, suffix):
    """Of 9,000 archives damaged like this none did; zipfile and tarfile alone raise ValueError, OSError and others."""
    given, rng = tmp_path / f"x.{suffix}", random.Random(suffix)
    if suffix == "zip":
        write_zip(given, "images/1.png", "images/2.png")
    else:
        with tarfile.open(given, "w:gz" if suffix == "tar.gz" else "w") as file:
            file.add(write_zip(tmp_path / "inner.zip", "1.png"), "images/inner.zip")
        (tmp_path / "inner.zip").unlink()
    whole = given.read_bytes()
    refused = 0
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 2, 10))):
            content[rng.randrange(min(len(content), 700))] = rng.choice((0, 127, 128, 255, rng.randrange(256)))
        given.write_bytes(content)
        try:
            with open_sources([given], tmp_path, False):
                pass
        except DataError:
            refused += 1
        assert [path.name for path in tmp_path.iterdir()] == [given.name]
    assert refused > 10, "nothing was damaged: the test shows nothing"
