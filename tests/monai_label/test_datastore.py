"""The studies and what is known of them, which threads and processes share; run in the environment of MONAI Label."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("monailabel", reason="MONAI Label is not installed in this environment")

from monai_vlsm.monai_label.datastore import StudiesDatastore
from monai_vlsm.monai_label.refusals import ForbiddenError, TakenError


def write(path: Path, content: bytes = b"x") -> Path:
    """Write a file, whose content is not read here."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.fixture
def folder(tmp_path) -> Path:
    """Studies with the images a and b."""
    for name in ("a", "b"):
        write(tmp_path / "studies" / f"{name}.png")
    return tmp_path / "studies"


@pytest.fixture
def studies(folder) -> StudiesDatastore:
    return StudiesDatastore(str(folder), auto_reload=False)


def test_a_batch_does_not_write_over_reviews(studies, folder, tmp_path):
    batch = StudiesDatastore(str(folder), auto_reload=False)
    studies.update_image_infos({"a": {"reviews": ["reject"]}})
    batch.save_label("b", str(write(tmp_path / "mask.png")), "original", {"model": "busi"})
    studies.refresh()
    assert studies.get_image_info("a")["reviews"] == ["reject"]
    assert studies.get_label_info("b", "original")["model"] == "busi"


CHANGES = {
    "a file comes": lambda studies, folder: write(folder / "c.png"),
    "a file goes": lambda studies, folder: (folder / "b.png").unlink(),
    "an image is uploaded": lambda studies, folder: studies.add_image("c", str(folder / "a.png"), {}),
    "a label is saved": lambda studies, folder: studies.save_label("b", str(folder / "a.png"), "final", {}),
    "something is noted": lambda studies, folder: studies.update_image_infos({"b": {"new": 1}}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_request_that_reads_sees_nothing_of_a_change_meanwhile(studies, folder, change):
    reading = iter(studies._datastore.objects.items())
    assert next(reading)[0] == "a"
    noted = iter(studies._datastore.objects["b"].image.info)
    CHANGES[change](studies, folder)
    studies.refresh()
    assert [image for image, _ in reading] == ["b"]
    assert set(noted) == {"ts", "name"}


def test_an_image_is_not_replaced_by_another_one(studies, folder, tmp_path):
    studies.save_label("a", str(write(tmp_path / "mask.png")), "final", {})
    studies.update_image_infos({"a": {"reviews": ["accept"]}})
    for name in ("other.png", "other.nii.gz"):
        with pytest.raises(TakenError, match="another image 'a'"):
            studies.add_image("a", str(write(tmp_path / name, b"other pixels")), {})
    assert (folder / "a.png").read_bytes() == b"x"
    assert studies.get_image_info("a")["reviews"] == ["accept"]


def test_an_image_that_is_uploaded_again_keeps_its_label_and_reviews(studies, tmp_path):
    studies.save_label("a", str(write(tmp_path / "mask.png")), "final", {})
    studies.update_image_infos({"a": {"reviews": ["accept"]}})
    assert studies.add_image("a", str(write(tmp_path / "again.png")), {}) == "a"
    assert studies.get_image_info("a")["reviews"] == ["accept"]
    assert studies.get_labels_by_image_id("a") == {"final": "a"}


def test_what_an_upload_is_compared_with_lies_in_the_studies(studies, folder, tmp_path):
    (folder / "c.png").symlink_to(write(tmp_path / "secret.png", b"secret"))
    with pytest.raises(ForbiddenError, match="is a link"):
        studies.add_image("c", str(write(tmp_path / "guess.png", b"secret")), {})


@pytest.fixture
def twice(studies, tmp_path):
    """The studies, in which a has got a label as PNG and then one as NIfTI."""
    for name in ("mask.png", "mask.nii.gz"):
        studies.save_label("a", str(write(tmp_path / name)), "final", {})
    return studies


def test_a_label_of_another_kind_takes_the_place_of_the_one_before(twice, folder):
    assert [path.name for path in (folder / "labels" / "final").iterdir()] == ["a.nii.gz"]


def test_a_label_that_was_removed_stays_away(twice, folder):
    write(folder / "labels" / "final" / "a.png")
    twice.remove_label("a", "final")
    for reader in (twice, StudiesDatastore(str(folder), auto_reload=False)):
        reader.refresh()
        assert reader.get_labels_by_image_id("a") == {}


@pytest.mark.parametrize("which", ["c.png", "labels/final/c.png"])
def test_an_image_that_leads_out_of_the_folder_is_named_and_not_trained_on(studies, folder, tmp_path, caplog, which):
    write(folder / "c.png")
    studies.refresh()
    for image in ("a", "c"):
        studies.save_label(image, str(write(tmp_path / "mask.png")), "final", {})
    (folder / which).unlink()
    (folder / which).symlink_to(write(tmp_path / "elsewhere.png"))
    listed = [{"image": str(folder / "a.png"), "label": str(folder / "labels" / "final" / "a.png")}]
    assert studies.datalist() == listed
    assert "'c' is not trained on: 'c.png' leads out" in caplog.text


def test_an_image_that_is_uploaded_while_studies_are_listed_disturbs_nobody(studies, tmp_path, monkeypatch):
    mask = str(write(tmp_path / "mask.png"))
    studies.save_label("a", mask, "final", {})
    labeled = studies.get_labeled_images

    def labeled_meanwhile():
        yield from labeled()
        studies.save_label("b", mask, "final", {})

    monkeypatch.setattr(studies, "get_labeled_images", labeled_meanwhile)
    assert [Path(entry["image"]).stem for entry in studies.datalist()] == ["a"]


def test_the_file_that_came_with_the_images_does_not_say_where_things_lie(studies, folder, tmp_path):
    studies.update_image_infos({"a": {"reviews": ["accept"]}})
    file = folder / "datastore_v2.json"
    moved = {"images_dir": str(tmp_path), "labels_dir": str(tmp_path / "elsewhere")}
    file.write_text(json.dumps({**json.loads(file.read_text()), **moved}))
    write(tmp_path / "private.png")
    other = StudiesDatastore(str(folder), auto_reload=False)
    other.save_label("a", str(write(tmp_path / "mask.png")), "final", {})
    assert other.list_images() == ["a", "b"]
    assert not (tmp_path / "elsewhere").exists()
    assert other.get_image_info("a")["reviews"] == ["accept"]


def test_of_clients_who_upload_under_one_name_at_the_same_time_one_is_heard(studies, folder, tmp_path):
    files = [write(tmp_path / str(client) / "c.png", bytes([client])) for client in range(8)]

    def upload(file: Path) -> bool:
        try:
            studies.add_image("c", str(file), {})
        except TakenError:
            return False
        return (folder / "c.png").read_bytes() == file.read_bytes()

    with ThreadPoolExecutor(8) as clients:
        assert sum(clients.map(upload, files)) == 1


def test_what_a_killed_server_left_of_an_upload_is_no_image_and_goes(studies, folder):
    parts = [folder / f".0123456789abcdef.part.{path}" for path in ("new.png", "old.png")]
    for part in parts:
        write(part)
    os.utime(parts[1], (0, 0))
    studies.refresh()
    assert studies.list_images() == ["a", "b"]
    StudiesDatastore(str(folder), auto_reload=False)
    assert [part.exists() for part in parts] == [True, False]
