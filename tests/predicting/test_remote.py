"""Images elsewhere are found, named, read and known again as those here."""

from __future__ import annotations

from pathlib import Path

import fsspec
import pytest
from predicting.conftest import write_picture

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.predicting.case import read_case, segment_case
from monai_vlsm.predicting.jobs import make_jobs
from monai_vlsm.predicting.records import read_record, rows_of, unfinished
from monai_vlsm.predicting.remote import Remote, is_address, local_copy
from monai_vlsm.predicting.sources import find_sources


@pytest.fixture
def store(pictures):
    """A store in memory, with three pictures, a text and two hidden files in the folder ``images``."""
    memory = fsspec.filesystem("memory")
    for path in (path for path in pictures.rglob("*") if path.is_file()):
        memory.pipe(f"/images/{path.relative_to(pictures).as_posix()}", path.read_bytes())
    memory.pipe("/images/notes.txt", b"")
    memory.pipe("/images/.hidden.png", b"")
    memory.pipe("/images/.records/a.png", b"")
    yield memory
    memory.rm("/images", recursive=True)


def jobs_of(*given):
    return make_jobs(find_sources(given), ["a lesion"])


@pytest.mark.parametrize("text", ["s3://bucket/a", "gs://b/*.png", "memory://images"])
def test_an_address_has_a_protocol(text):
    assert is_address(text)


@pytest.mark.parametrize("text", ["images/a.png", "/images", "C:\\images", "s3:/bucket", "://a", "s3://"])
def test_a_path_is_no_address(text):
    assert not is_address(text)


def test_a_folder_elsewhere_gives_its_images_with_the_names_that_they_would_have_here(store, pictures):
    found = find_sources(["memory://images"])
    assert [source.shown for source in found] == [
        f"memory:///images/{name}" for name in ("a.png", "b.jpg", "more/c.tif")
    ]
    assert [source.name for source in found] == [source.name for source in find_sources([pictures])]


@pytest.mark.parametrize(
    ("given", "names"), [("images/*.png", ["a"]), ("images/more/c.tif", ["c"]), ("images/**", None)]
)
def test_files_and_patterns_elsewhere_are_found(store, given, names):
    assert [source.name for source in find_sources([f"memory://{given}"])] == (names or ["a", "b", "more/c"])


def test_images_here_and_elsewhere_do_not_share_a_name(store, pictures):
    names = [source.name for source in find_sources([pictures, "memory://images"])]
    assert len(set(names)) == 6


def test_an_image_elsewhere_gives_the_mask_that_it_gives_here(store, pictures, predictor, plan, tmp_path):
    (far,), (near,) = jobs_of("memory://images/a.png"), jobs_of(pictures / "a.png")
    segment_case(predictor, far, plan)
    mask = (plan.folder / "a_mask.png").read_bytes()
    (far_row,) = rows_of(far, plan)
    assert not unfinished([far], plan)
    (plan.folder / ".records" / "a.json").unlink()
    segment_case(predictor, near, plan)
    assert (plan.folder / "a_mask.png").read_bytes() == mask
    (near_row,) = rows_of(near, plan)
    assert {**near_row, "seconds": 0, "image": "memory:///images/a.png"} == {**far_row, "seconds": 0}


def test_another_content_elsewhere_is_not_finished(store, predictor, plan, tmp_path):
    segment_case(predictor, jobs_of("memory://images/a.png")[0], plan)
    store.pipe("/images/a.png", write_picture(tmp_path / "other.png", 9).read_bytes())
    assert unfinished(jobs_of("memory://images/a.png"), plan)


def test_a_damaged_file_elsewhere_is_told_by_its_address(store, predictor, plan):
    store.pipe("/images/a.png", store.cat("/images/a.png")[:100])
    (job,) = jobs_of("memory://images/a.png")
    segment_case(predictor, job, plan)
    error = (read_record(job, plan) or {})["error"]
    assert "memory:///images/a.png" in error
    assert "/tmp" not in error


def test_a_file_that_is_gone_when_its_turn_comes_is_told(store):
    (job,) = jobs_of("memory://images/a.png")
    store.rm("/images/a.png")
    assert "no 'memory:///images/a.png'" in (read_case(job).error or "")


def test_a_copy_is_gone_afterwards(store):
    with local_copy(Remote("memory:///images/a.png", 1, "")) as path:
        assert path.read_bytes() == store.cat("/images/a.png")
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("memory://nowhere", MissingFileError, "'memory://nowhere' holds none"),
        ("memory://images/notes.txt", MissingFileError, "holds none"),
        ("nonsense://bucket/a", DataError, "Protocol not known: nonsense"),
    ],
)
def test_an_address_that_gives_nothing_is_named(store, address, error, message):
    with pytest.raises(error, match=message):
        find_sources([address])


def test_a_store_that_needs_another_package_names_it(monkeypatch):
    monkeypatch.setattr("fsspec.core.url_to_fs", lambda address: (_ for _ in ()).throw(ImportError("Install s3fs")))
    with pytest.raises(DataError, match="Install s3fs"):
        find_sources(["s3://bucket/folder"])


def test_files_of_another_machine_are_found_by_workers_through_their_address(pictures):
    (source,) = find_sources([f"file://{pictures / 'a.png'}"])
    assert source.remote
    with local_copy(source.remote) as path:
        assert path != pictures / "a.png"
        assert path.read_bytes() == Path(pictures / "a.png").read_bytes()
