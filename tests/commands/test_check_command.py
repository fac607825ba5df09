"""Tests of commands/check.py, on files."""

import json
import os

import nibabel
import numpy as np
import pytest
from PIL import Image

from monai_vlsm.__main__ import main
from monai_vlsm.data import write_datalist
from monai_vlsm.errors import DataError, MissingFileError


def write_pair(folder, name, seed):
    for kind in ("images", "masks"):
        (folder / kind).mkdir(exist_ok=True)
    picture = np.random.default_rng(seed).integers(0, 256, (16, 20), dtype=np.uint8)
    Image.fromarray(picture).save(folder / "images" / name)
    mask = np.zeros((16, 20), dtype=np.uint8)
    mask[4:10, 4:10] = 255
    Image.fromarray(mask).save(folder / "masks" / name)
    return {"image": f"images/{name}", "label": f"masks/{name}", "prompts": {"p0": [""], "p1": ["polyp"]}}


@pytest.fixture
def folder(tmp_path):
    """A sound data set of six images, two in each split."""
    entries = [write_pair(tmp_path, f"{number // 2}_{number % 2}.png", number) for number in range(6)]
    write_datalist(tmp_path, {"training": entries[:2], "validation": entries[2:4], "test": entries[4:]})
    return tmp_path


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_sound_data_set_passes_and_is_left_alone(folder, capsys):
    before = everything(folder)
    assert main(["check", str(folder)]) == 0
    printed = capsys.readouterr().out
    assert "0 errors, 0 warnings" in printed
    assert "'tiny', as that of 'CIDAS/clipseg-rd64-refined' is not on this machine" in printed
    assert "groups: not known" in printed
    assert everything(folder) == before


def test_warnings_alone_give_exit_status_0(folder, capsys):
    content = json.loads((folder / "datalist.json").read_text())
    (folder / "datalist.json").write_text(json.dumps({**content, "test": []}))
    assert main(["check", str(folder)]) == 0
    assert "0 errors, 1 warnings" in capsys.readouterr().out


def test_the_published_layout_is_checked_and_left_alone(folder, capsys):
    (folder / "datalist.json").unlink()
    (folder / "anns").mkdir()
    for number, name in enumerate(("train", "val", "test")):
        prompts = {"p0": "", "p1": "polyp"}
        entry = {"img_name": f"{number}_0.png", "mask_name": f"{number}_0.png", "prompts": prompts}
        (folder / "anns" / f"{name}.json").write_text(json.dumps([entry]))
    before = everything(folder)
    assert main(["check", str(folder), "--backbone", "tiny"]) == 0
    assert "tokens: counted with the tokenizer of 'tiny'" in capsys.readouterr().out
    assert everything(folder) == before


def test_an_image_saved_anew_in_another_split_is_found(folder, capsys):
    with Image.open(folder / "images" / "0_0.png") as picture:
        picture.save(folder / "images" / "2_1.png", compress_level=0, dpi=(300, 300))
    assert main(["check", str(folder)]) == 1
    assert "training: images/0_0.png = test: images/2_1.png" in capsys.readouterr().out


def test_missing_and_damaged_files_are_named_in_one_report(folder, capsys):
    (folder / "masks" / "0_0.png").unlink()
    (folder / "images" / "1_0.png").write_bytes(b"no picture")
    (folder / "images" / "2_0.png").write_bytes((folder / "images" / "2_0.png").read_bytes()[:100])
    assert main(["check", str(folder)]) == 1
    printed = capsys.readouterr().out
    assert printed.startswith("error: files that cannot be used; mend or remove them (3)")
    assert all(f"  {name}: " in printed for name in ("masks/0_0.png", "images/1_0.png", "images/2_0.png"))


def test_an_indexed_label_map_is_found(folder, capsys):
    labels = Image.fromarray(np.arange(16 * 20, dtype=np.uint8).reshape(16, 20) % 3, mode="P")
    labels.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    labels.save(folder / "masks" / "0_0.png")
    assert main(["check", str(folder)]) == 1
    assert "masks/0_0.png (1, 2)" in capsys.readouterr().out


def test_a_patient_in_two_splits_is_found_by_pattern(folder, capsys):
    assert main(["check", str(folder), "--group-pattern", r"^\d_(\d)"]) == 1
    printed = capsys.readouterr().out
    assert "0: 1 in training (images/0_0.png), 1 in validation (images/1_0.png), 1 in test (images/2_0.png)" in printed


def test_patients_named_in_the_datalist_are_compared(folder, capsys):
    content = json.loads((folder / "datalist.json").read_text())
    for split in ("training", "test"):
        content[split][0]["group"] = "patient7"
    (folder / "datalist.json").write_text(json.dumps(content))
    assert main(["check", str(folder)]) == 1
    assert "patient7: 1 in training (images/0_0.png), 1 in test (images/2_0.png)" in capsys.readouterr().out


@pytest.mark.parametrize(("options", "shown"), [([], 10), (["--all"], 12)])
def test_a_long_finding_is_shortened_unless_all_is_asked_for(tmp_path, capsys, options, shown):
    entries = [write_pair(tmp_path, f"{number}.png", number) for number in range(14)]
    write_datalist(tmp_path, {"training": entries[:12], "validation": entries[12:13], "test": entries[13:]})
    for number in range(12):
        (tmp_path / "masks" / f"{number}.png").unlink()
    assert main(["check", str(tmp_path), *options]) == 1
    printed = capsys.readouterr().out
    assert printed.count("there is no file") == shown
    assert ("and 2 more" in printed) == (shown == 10)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="nowhere"):
        main(["check", str(tmp_path / "nowhere")])


def test_a_pattern_that_does_not_match_is_refused_with_the_name(folder):
    with pytest.raises(DataError, match="does not match '0_0'"):
        main(["check", str(folder), "--group-pattern", "patient([0-9]+)"])


def test_a_backbone_that_is_named_must_be_there(folder):
    with pytest.raises(MissingFileError, match="no backbone folder"):
        main(["check", str(folder), "--backbone", os.path.join(".", "nowhere")])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"training": [{"image": "a.png", "label": "b.png", "prompts": {"p1": ["\\ud800"]}}]}', "expected UTF-8 text"),
        ("[" * 100_000, "cannot use the JSON"),
        ('{"training": ' + "9" * 10_000 + "}", "cannot use the JSON"),
        ("{", "line 1, column 2"),
        ('{"training": [{"image": "../a.png"}]}', "a path that stays in the data set's folder"),
        ('{"training": []}', "got none in any of training, validation, test"),
        ('{"train": [{"image": "a.png"}]}', "are the splits called like this in its datalist"),
    ],
)
def test_a_datalist_that_cannot_be_used_is_an_error_with_its_reason(folder, content, reason):
    (folder / "datalist.json").write_text(content)
    with pytest.raises(DataError, match=reason):
        main(["check", str(folder)])


def test_a_file_in_place_of_the_folder_is_named(folder):
    with pytest.raises(MissingFileError, match=r"datalist\.json', which is a file"):
        main(["check", str(folder / "datalist.json")])


def test_an_image_that_is_its_own_mask_is_found(folder, capsys):
    content = json.loads((folder / "datalist.json").read_text())
    content["training"][0]["label"] = content["training"][0]["image"]
    (folder / "datalist.json").write_text(json.dumps(content))
    assert main(["check", str(folder)]) == 1
    assert "error: entries whose mask is the image itself; name the mask under 'label' (1)" in capsys.readouterr().out


def test_a_mask_below_0_is_not_taken_for_an_empty_one(folder, capsys):
    image = nibabel.Nifti1Image(np.full((20, 16, 1), -1, dtype=np.int16), np.eye(4))
    nibabel.save(image, folder / "masks" / "0_0.nii")
    content = json.loads((folder / "datalist.json").read_text())
    content["training"][0]["label"] = "masks/0_0.nii"
    (folder / "datalist.json").write_text(json.dumps(content))
    assert main(["check", str(folder)]) == 1
    assert "masks/0_0.nii (-1)" in capsys.readouterr().out


def test_the_exit_status_is_documented(capsys):
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    assert "Exit status: 0 if there are at most warnings, 1 if" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("name", ["busi", "kvasir_polyp", "isic"])
def test_the_published_samples_have_no_errors(shared_folder, name, capsys):
    main(["check", str(shared_folder / "data" / name)])
    assert "0 errors" in capsys.readouterr().out
