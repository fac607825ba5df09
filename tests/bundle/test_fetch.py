"""A bundle is found as a folder, an archive or on the hub, and archives and repositories of strangers do no harm."""

from __future__ import annotations

import os
import shutil
import stat
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import huggingface_hub
import pytest
from bundle.changes import BUNDLES
from huggingface_hub.errors import LocalEntryNotFoundError

from monai_vlsm.bundle import bundle_folder, fetch, refuse_foreign_code
from monai_vlsm.bundle.pack import collect, write_zip
from monai_vlsm.data.unpacking import write_entry
from monai_vlsm.data.whole import new_folder
from monai_vlsm.errors import DataError, MissingFileError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "cache" / "monai_vlsm" / "bundles"


@pytest.fixture
def files(trained) -> dict[str, bytes]:
    return collect(trained)


@pytest.fixture
def archive(files, tmp_path) -> Path:
    write_zip(files, "phantom", tmp_path / "given.zip")
    return tmp_path / "given.zip"


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def leftovers(cache: Path) -> list[str]:
    return [path.name for path in cache.rglob("*") if path.is_file() and path.name != ".lock"]


def test_a_folder_is_taken_as_it_is(trained, cache):
    assert bundle_folder(str(trained)) == trained
    assert not cache.exists()


def test_a_name_is_that_below_bundles(tmp_path):
    shutil.copytree(BUNDLES / "busi", tmp_path / "bundles" / "busi")
    (tmp_path / "busi").write_text("a file of that name")
    assert bundle_folder("busi") == Path("bundles/busi")


def test_an_archive_has_the_files_that_were_packed_in_a_folder_of_the_name_of_the_bundle(archive, files, cache):
    folder = bundle_folder(str(archive))
    assert content(folder) == files
    assert folder.name == "phantom"
    assert folder.is_relative_to(cache)
    refuse_foreign_code(folder)


def test_an_archive_is_unpacked_once(archive, monkeypatch):
    folder = bundle_folder(str(archive))
    before = (folder / "LICENSE").stat().st_mtime_ns
    archive.rename("renamed.zip")
    monkeypatch.setattr(fetch, "write_entry", None)
    assert bundle_folder("renamed.zip") == folder
    assert (folder / "LICENSE").stat().st_mtime_ns == before


def test_another_content_is_another_folder(archive, files, tmp_path):
    write_zip({**files, "LICENSE": b"another"}, "phantom", tmp_path / "other.zip")
    assert bundle_folder(str(archive)) != bundle_folder("other.zip")


def test_what_a_cleaner_of_caches_took_away_comes_back(archive, files):
    folder = bundle_folder(str(archive))
    (folder / "models" / "model.pt").unlink()
    assert content(bundle_folder(str(archive))) == files


def entries(archive, *added, kept=True):
    """Write an archive with further entries (name, content, attributes) beside those of ``archive``."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile("tricky.zip", "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist() if kept else []:
            new.writestr(info, old.read(info))
        for name, text, mode in added:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            new.writestr(info, text)
    return Path("tricky.zip")


FILE, LINK = stat.S_IFREG | 0o644, stat.S_IFLNK | 0o777
TRICKS = {
    "a way out": ("phantom/../../docs/evil.md", FILE, "outside of the folder"),
    "a way out for Windows": ("phantom\\..\\..\\evil.md", FILE, "outside of the folder"),
    "an absolute path": ("/tmp/evil.md", FILE, "outside of the folder"),
    "a link": ("phantom/docs/link.md", LINK, "no plain file"),
    "a name twice": ("phantom/LICENSE", FILE, "two entries"),
    "a name twice in another spelling": ("phantom/./LICENSE", FILE, "two entries"),
    "a module": ("phantom/torch.py", FILE, "could be code"),
    "a module beside the model": ("phantom/models/torch.so", FILE, "could be code"),
    "another configuration": ("phantom/configs/other.json", FILE, "could be code"),
    "another folder": ("other/configs/train.json", FILE, "none of a bundle"),
    "a file beside the folder": ("LICENSE", FILE, "none of a bundle"),
    "a control character": ("phantom/docs/a\n.md", FILE, "outside of the folder"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("trick", TRICKS)
def test_an_archive_with_a_trick_is_refused_and_nothing_is_written(archive, cache, trick):
    name, mode, message = TRICKS[trick]
    tricky = entries(archive, (name, "/etc/passwd", mode))
    with pytest.raises(DataError, match=message):
        bundle_folder(str(tricky))
    assert not leftovers(cache)


def test_two_slashes_in_a_row_lead_to_no_place_outside(archive, tmp_path):
    outside = tmp_path / "outside" / ".DS_Store"
    folder = bundle_folder(str(entries(archive, (f"phantom/{outside}", "a file", FILE))))
    assert not outside.exists()
    assert (folder / str(outside).lstrip("/")).is_file()


@pytest.mark.parametrize(
    "name", ["configs/inference.json", "a/b/configs/inference.json", ".hidden/configs/inference.json", "a/LICENSE"]
)
def test_an_archive_that_is_nested_in_another_way_is_refused(archive, name):
    with pytest.raises(DataError, match=r"expected one folder with configs/inference\.json"):
        bundle_folder(str(entries(archive, (name, "{}", FILE), kept=False)))


def test_a_bomb_is_refused_before_it_is_unpacked(archive, cache):
    bomb = entries(archive, ("phantom/docs/zeros.txt", bytes((16 << 20) + 20 * archive.stat().st_size), FILE))
    with pytest.raises(DataError, match="more than 20 times as large"):
        bundle_folder(str(bomb))
    assert not leftovers(cache)


def test_an_archive_of_very_many_files_is_refused(archive, monkeypatch):
    monkeypatch.setattr(fetch, "_MOST_ENTRIES", 5)
    with pytest.raises(DataError, match="more than 5 files"):
        bundle_folder(str(archive))


def test_an_archive_with_a_password_is_refused(archive):
    with zipfile.ZipFile(archive) as file:
        directory = file.start_dir
    data = bytearray(archive.read_bytes())
    data[directory + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(DataError, match="locked with a password"):
        bundle_folder(str(archive))


def test_a_damaged_model_is_told_and_nothing_is_left(archive, files, cache):
    data = bytearray(archive.read_bytes())
    data[data.index(files["models/model.pt"]) + 1000] ^= 1
    archive.write_bytes(data)
    with pytest.raises(DataError, match="damaged or incomplete"):
        bundle_folder(str(archive))
    assert not leftovers(cache)


@pytest.mark.parametrize("size", [0, 10, -1], ids=["empty", "cut short", "without its end"])
def test_a_file_that_is_no_whole_zip_is_told(archive, size):
    archive.write_bytes(archive.read_bytes()[:size])
    with pytest.raises(DataError, match=r"no zip archive|damaged"):
        bundle_folder(str(archive))


def test_an_archive_that_is_not_there_is_named():
    with pytest.raises(MissingFileError, match=r"no archive '.*/nothing\.zip'"):
        bundle_folder("nothing.zip")


def test_large_files_that_are_elsewhere_are_named_with_the_way_to_get_them(files, cache):
    listed = {"large_files.yml": b'large_files:\n- path: "models/backbone/model.safetensors"\n  url: "file:///x"\n'}
    write_zip(files | listed, "phantom", Path("small.zip"))
    with pytest.raises(MissingFileError, match=r"keeps 'models/backbone/model\.safetensors' elsewhere.*download_large"):
        bundle_folder("small.zip")
    assert not leftovers(cache)


@pytest.mark.parametrize("text", [b"", b"[", b"large_files: 5", b"large_files: [5]", b"large_files: [{path: [a]}]"])
def test_a_list_of_large_files_that_is_none_is_told(files, text):
    write_zip(files | {"large_files.yml": text}, "phantom", Path("odd.zip"))
    with pytest.raises(DataError, match=r"large_files\.yml .* cannot be read"):
        bundle_folder("odd.zip")


def test_whoever_comes_while_it_is_unpacked_waits_and_gets_the_same(archive, files, monkeypatch):
    written = []

    def write_slowly(entry, path):
        written.append(path.name)
        time.sleep(0.02)
        write_entry(entry, path)

    monkeypatch.setattr(fetch, "write_entry", write_slowly)
    with ThreadPoolExecutor(4) as threads:
        (folder,) = set(threads.map(bundle_folder, [str(archive)] * 4))
    assert content(folder) == files
    assert len(written) == len(files)


def test_what_a_killed_process_left_is_no_bundle(archive, files, monkeypatch):
    """A kill leaves the unfinished folder under a name of its own."""
    folder = bundle_folder(str(archive))
    shutil.rmtree(folder)
    with new_folder(folder) as unfinished:
        shutil.copytree(unfinished, folder.with_name(".0123456789abcdef.part.phantom"))
    shutil.rmtree(folder)
    assert content(bundle_folder(str(archive))) == files


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/version").exists(), reason="needs /proc")
def test_a_cache_that_cannot_be_written_is_told_with_the_way_out(archive, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/nowhere")
    with pytest.raises(DataError, match=r"cannot be used .* XDG_CACHE_HOME"):
        bundle_folder(str(archive))


class Hub:
    """A hub with one bundle: it fills the cache as the real one does, with links into a folder of blobs."""

    def __init__(self, folder: Path, bundle: Path) -> None:
        self.snapshot, self.blobs, self.bundle = folder / "snapshots" / COMMIT, folder / "blobs", bundle
        self.online, self.calls = True, []

    def __call__(self, repository, revision=None, allow_patterns=None, local_files_only=False):
        self.calls.append((repository, revision, local_files_only))
        if local_files_only and not self.snapshot.is_dir():
            raise LocalEntryNotFoundError("not in the cache")
        if not local_files_only and not self.online:
            raise OSError("no network\nand more lines")
        if not local_files_only:
            self._fill()
        return str(self.snapshot)

    def _fill(self):
        for number, path in enumerate(path for path in self.bundle.rglob("*") if path.is_file()):
            link, blob = self.snapshot / path.relative_to(self.bundle), self.blobs / str(number)
            for folder in (link.parent, blob.parent):
                folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, blob)
            link.symlink_to(blob)


@pytest.fixture
def hub(trained, tmp_path, monkeypatch) -> Hub:
    (trained / "scripts").mkdir()
    for name in ("scripts/net.py", ".gitattributes", "README.md", "models/model.onnx"):
        (trained / name).write_text("not for us")
    made = Hub(tmp_path / "hub" / "models--owner--lesions", trained)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", made)
    return made


def test_a_bundle_of_the_hub_is_a_folder_of_its_name_with_plain_bundle_files_alone(hub, files):
    folder = bundle_folder("owner/lesions")
    assert folder.name == "lesions"
    assert content(folder) == files
    refuse_foreign_code(folder)


@pytest.mark.parametrize(
    ("given", "revision"), [("MONAI/lesions@0.2.1", "0.2.1"), ("o/l@refs/pr/1", "refs/pr/1"), ("o/l", None)]
)
def test_the_revision_is_what_stands_behind_the_sign(hub, given, revision):
    bundle_folder(given)
    assert hub.calls[-1] == (given.split("@")[0], revision, False)


def test_what_the_hub_has_given_once_is_not_asked_for_again(hub, files):
    first = bundle_folder("owner/lesions@v1")
    hub.online = False
    assert bundle_folder("owner/lesions@v1") == first
    assert content(first) == files


def test_a_part_of_a_bundle_in_the_cache_of_the_hub_is_completed(hub, files):
    (hub.snapshot / "configs").mkdir(parents=True)  # as after a download that was stopped
    assert content(bundle_folder("owner/lesions")) == files


def test_without_network_it_says_how_to_fetch_it_once(hub, cache):
    hub.online = False
    with pytest.raises(MissingFileError, match=r"\(no network\)[^$]*hf download owner/lesions --revision v1"):
        bundle_folder("owner/lesions@v1")
    assert not cache.exists()


def test_a_repository_that_is_no_bundle_is_told(hub, trained):
    shutil.rmtree(trained / "configs")
    with pytest.raises(DataError, match=r"'owner/lesions' on the hub is no bundle: it lacks configs/inference\.json"):
        bundle_folder("owner/lesions")


@pytest.mark.parametrize("given", ["bundles/busi", "./owner/name", "/owner/name", "a/b/c", "owner/../name", "nothing"])
def test_a_path_is_never_looked_for_on_the_hub(hub, tmp_path, given):
    (tmp_path / "bundles").mkdir()
    folder = bundle_folder(given)
    assert not folder.exists()
    assert not hub.calls


def test_the_real_client_of_the_hub_takes_what_it_is_asked_for():
    """The tests run without network and with an empty cache: it must say so, not that an argument is unknown."""
    with pytest.raises(MissingFileError, match="neither in the local cache of the hub nor could it be fetched"):
        bundle_folder("owner/name@v1")
