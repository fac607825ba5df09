"""``python -m monai_vlsm predict``: what is given on the command line is text, never an expression of MONAI."""

from __future__ import annotations

import json
import re
import signal
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from bundle.trained import write_trained
from calibration.documents import DOCUMENT, give_calibration
from forked import die, end_of_fork
from monai.bundle import ConfigParser
from PIL import Image
from predicting.conftest import read_results

from monai_vlsm.__main__ import main
from monai_vlsm.bundle import as_literal
from monai_vlsm.bundle import open as bundle_open
from monai_vlsm.errors import DataError, MissingFileError, UserError
from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.predicting import write
from monai_vlsm.predictor import Predictor

BUNDLES = Path(__file__).resolve().parents[2] / "bundles"
ODD = ("$1/0", "%stenosis", "@prompt", "a @ b", "50 %#1 @#2", "1::2", "it's \"\\@\\\\%", "$import os", "ü\n")


@pytest.fixture
def bundle(tmp_path, monkeypatch) -> Path:
    """A trained bundle in the current folder, under a name that MONAI would evaluate."""
    monkeypatch.chdir(tmp_path)
    folder = Path("$bundle")
    torch.manual_seed(0)
    return write_trained("phantom", folder, CLIPSegDenseAdapter("tiny"))


def write_picture(path: str) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)).save(path)


@pytest.mark.parametrize("text", ODD)
def test_a_literal_is_the_text_itself_for_monai(text):
    parser = ConfigParser({"prompt": as_literal(text), "images": as_literal([text, "b"]), "net": {"prompt": "@prompt"}})
    assert parser.get_parsed_content("net") == {"prompt": text}
    assert parser.get_parsed_content("images") == [text, "b"]


@pytest.mark.parametrize("prompt", ["%stenosis", "$x"])
def test_prompts_and_file_names_are_not_evaluated(bundle, prompt):
    write_picture("@image.png")
    main(["predict", "@image.png", "--bundle", str(bundle), "--prompt", prompt, "--out", "%masks"])
    predictor = Predictor.from_bundle(bundle, device="cpu").set_image("@image.png")
    (written,) = Path("%masks").glob("*image*.png")
    mask = np.asarray(Image.open(written)) > 0
    np.testing.assert_array_equal(mask, predictor.predict(prompt).mask)


def test_a_pattern_is_not_evaluated(bundle):
    write_picture("$1.png")
    main(["predict", "$*.png", "--bundle", str(bundle)])
    assert len(list(Path("masks").glob("*1*.png"))) == 1


@pytest.mark.parametrize(
    "load",
    [
        lambda bundle, backbone: main(["predict", "image.png", "--bundle", str(bundle), "--backbone", backbone]),
        lambda bundle, backbone: Predictor.from_bundle(bundle, backbone=backbone),
    ],
    ids=["command", "predictor"],
)
def test_a_backbone_is_not_evaluated(bundle, tmp_path, load):
    write_picture("image.png")
    with pytest.raises(MissingFileError, match=r"the backbone .*\$open"):
        load(bundle, f"$open({str(tmp_path / 'ran')!r}, 'w').close()")
    assert not (tmp_path / "ran").exists()


def test_a_bundle_is_found_by_its_name(bundle):
    Path("bundles").mkdir()
    bundle.rename("bundles/phantom")
    write_picture("image.png")
    main(["predict", "image.png", "--bundle", "phantom"])
    assert Path("masks/image_mask.png").is_file()


def test_a_bundle_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError, match=str(tmp_path / "bundles" / "nothing")):
        main(["predict", "image.png", "--bundle", "nothing"])


def hostile_texts(ran: Path) -> dict[str, str]:
    """What runs code when MONAI reads it, by name in the folder of configurations."""
    code = f"$open({str(ran)!r}, 'w').close()"
    return {
        "inference.json": json.dumps({"run": [code], "initialize": [code], "imports": [code], "prompt": code}),
        "train.json": json.dumps({"imports": [code]}),
        "metadata.json": json.dumps({"task": code}),
        "logging.conf": f"[loggers]\nkeys=root\n[handlers]\nkeys=h\n[formatters]\nkeys=\n[logger_root]\nhandlers=h\n"
        f"[handler_h]\nclass=FileHandler\nargs=({str(ran)!r},)\n",
    }


@pytest.mark.parametrize("readings", [1, 2])
def test_what_was_checked_is_what_is_run(bundle, tmp_path, monkeypatch, readings):
    """Files that change after they were read do not matter; one that is read again is checked again."""
    read, left = bundle_open.read_without_foreign_code, [readings]

    def swap_after_reading(path):
        config = read(path)
        left[0] -= 1
        if not left[0]:
            for name, text in hostile_texts(tmp_path / "ran").items():
                (Path(path).parent / name).write_text(text)
        return config

    monkeypatch.setattr(bundle_open, "read_without_foreign_code", swap_after_reading)
    write_picture("image.png")
    with nullcontext() if readings == 2 else pytest.raises(DataError, match="was refused, and nothing in it was run"):
        main(["predict", "image.png", "--bundle", str(bundle)])
    assert left == [0]
    assert Path("masks/image_mask.png").is_file() == (readings == 2)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["train.json", "metadata.json", "logging.conf"])
def test_files_that_prediction_does_not_need_are_not_used(bundle, tmp_path, name):
    (bundle / "configs" / name).write_text(hostile_texts(tmp_path / "ran")[name])
    write_picture("image.png")
    main(["predict", "image.png", "--bundle", str(bundle)])
    assert not (tmp_path / "ran").exists()


def test_python_does_not_look_for_modules_in_a_bundle(bundle):
    write_picture("image.png")
    before = list(sys.path)
    main(["predict", "image.png", "--bundle", str(bundle)])
    assert sys.path == before


@pytest.mark.parametrize("link", [False, True], ids=["file", "link"])
def test_a_python_module_in_a_bundle_is_refused(bundle, tmp_path, link):
    module = bundle / "models" / "nibabel.py"
    if link:
        (tmp_path / "elsewhere.py").write_text("")
        module.symlink_to(tmp_path / "elsewhere.py")
    else:
        module.write_text("")
    with pytest.raises(DataError, match=r"nibabel\.py"):
        main(["predict", "image.png", "--bundle", str(bundle)])


def test_a_trusted_bundle_is_run_as_it_is(bundle, tmp_path):
    config = json.loads((bundle / "configs" / "inference.json").read_text())
    config["min_presence"] = f"$open({str(tmp_path / 'ran')!r}, 'w').close()"
    (bundle / "configs" / "inference.json").write_text(json.dumps(config))
    write_picture("image.png")
    main(["predict", "image.png", "--bundle", str(bundle), "--trust"])
    assert (tmp_path / "ran").exists()


def mask_of(bundle: Path, *options: str) -> np.ndarray:
    write_picture("image.png")
    main(["predict", "image.png", "--bundle", str(bundle), "--out", "masks", *options])
    return np.asarray(Image.open("masks/image_mask.png")) > 0


def test_a_mask_below_the_calibrated_cut_is_empty_and_that_is_said(bundle, capsys):
    part = {**DOCUMENT["presence"], "threshold": 1.0}
    give_calibration(bundle, presence=part)
    assert not mask_of(bundle, "--threshold", "0").any()
    assert re.search(r"image\.png: '.+' is probably not there \(presence 0\.", capsys.readouterr().out)


@pytest.mark.parametrize(("least", "some"), [("0", True), ("1", False)])
def test_a_least_presence_on_the_command_line_counts_before_the_calibration(bundle, least, some):
    give_calibration(bundle, presence={**DOCUMENT["presence"], "threshold": 1.0})
    assert mask_of(bundle, "--threshold", "0", "--min-presence", least).any() == some


def test_a_word_is_the_threshold_of_the_calibration(bundle):
    give_calibration(bundle)
    found = mask_of(bundle, "--threshold", "risk_control")
    predictor = Predictor.from_bundle(bundle, device="cpu").set_image("image.png")
    prompt = json.loads((bundle / "configs" / "inference.json").read_text())["prompt"]
    np.testing.assert_array_equal(found, predictor.predict(prompt, 0.2, min_presence=0).mask)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "best_dice"], "takes a calibration of this model, which has none yet"),
        (["--threshold", "$1/0"], "'threshold' must be a number from 0 to 1"),
        (["--threshold", "nan"], "'threshold' must be a number from 0 to 1"),
        (["--min-presence", "2"], "'min_presence' must be a number from 0 to 1"),
    ],
)
def test_values_that_cannot_be_are_told_in_one_message(bundle, options, message):
    with pytest.raises(DataError, match=re.escape(message)):
        mask_of(bundle, *options)
    assert not Path("masks").exists()


MIXED = (("a.png", 3), ("b.jpg", 4), ("more/c.tif", 5), ("more/d.bmp", 6))


@pytest.fixture
def mixed(bundle) -> Path:
    """A folder of pictures of several formats, two of which are broken."""
    for name, seed in MIXED:
        (path := Path("images", name)).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(seed).integers(0, 256, (48, 64), dtype=np.uint8)).save(path)
    Path("images/broken.png").write_bytes(b"no picture")
    Path("images/more/gone.png").symlink_to("nowhere")
    return Path("images")


def predict(bundle: Path, *options: str) -> int:
    return main(["predict", "--bundle", str(bundle), *options])


def rows(out: str = "masks") -> list[dict[str, str]]:
    return read_results(out)


def times(out: str = "masks") -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in Path(out).rglob("*") if path.suffix in (".png", ".gz")}


def test_broken_images_are_named_and_the_others_are_segmented(bundle, mixed, capsys):
    assert predict(bundle, str(mixed), "--prompt", "cyst", "--prompt", "mass") == 1
    told = {row["image"].rpartition("images/")[2] for row in rows() if row["error"]}
    assert told == {"broken.png", "more/gone.png"}
    assert sum(Path("masks", row["mask"]).is_file() for row in rows() if not row["error"]) == 8
    shown = capsys.readouterr()
    assert "6 images: 4 segmented, 0 finished before, 2 failed" in shown.out
    assert re.search(r"broken\.png: .*it is no picture", shown.err)


def test_the_last_lines_say_how_many_masks_to_look_at(bundle, mixed, capsys):
    predict(bundle, str(mixed), "--prompt", "cyst", "--prompt", "mass")
    look, emptied = (sum(row[name] == "True" for row in rows()) for name in ("look", "emptied"))
    assert f"8 masks: {look} to look at, {emptied} emptied" in capsys.readouterr().out


def test_results_do_not_mix_with_files_of_others(bundle, mixed):
    Path("masks").mkdir()
    Path("masks/results.csv").write_text("mine")
    with pytest.raises(DataError, match=r"not of 'predict', such as 'results\.csv'.*--out"):
        predict(bundle, str(mixed))
    assert Path("masks/results.csv").read_text() == "mine"


@pytest.mark.parametrize("name", ["results.csv", "results.html", "a_mask.png"])
def test_a_folder_in_the_place_of_a_result_is_named(bundle, mixed, name):
    Path("masks", name, "mine").mkdir(parents=True)
    with pytest.raises(DataError, match=f"cannot write 'masks/{name}'"):
        predict(bundle, str(mixed), "--html", "--overwrite")
    assert Path("masks", name, "mine").is_dir()


def test_a_second_run_segments_nothing_again(bundle, mixed, capsys):
    predict(bundle, str(mixed), "--overlays", "0")
    before = times()
    assert predict(bundle, str(mixed), "--overlays", "0") == 1
    assert times() == before
    assert "0 segmented, 4 finished before, 2 failed" in capsys.readouterr().out
    for name in ("broken.png", "more/gone.png"):
        (mixed / name).unlink()
    assert predict(bundle, str(mixed), "--overlays", "0") == 0


def test_overwrite_segments_all_again(bundle, mixed):
    predict(bundle, str(mixed))
    before = times()
    predict(bundle, str(mixed), "--overwrite")
    after = times()
    assert before.keys() == after.keys()
    assert all(before[name] < after[name] for name in before)


def test_all_kinds_of_results_at_once(bundle, mixed):
    options = ["--label-map", "--probabilities", "--html", "--overlays", "2", "--paraphrases", "2"]
    predict(bundle, str(mixed), "--prompt", "cyst", "--prompt", "mass", "--priority", "mass", *options)
    found = {path.relative_to("masks").as_posix() for path in Path("masks").rglob("[!.]*") if path.is_file()}
    found = {name for name in found if not name.startswith(".records")}
    assert {"results.csv", "results.html", "labels.json", "overlays.png", "overlays/a.png"} <= found
    assert {"a_cyst.png", "a_mass_probability.png", "a_labels.png", "thumbnails/more/d.jpg"} <= found
    assert {bool(row["agreement"]) for row in rows() if not row["error"]} == {True}
    assert len([name for name in found if name.startswith("overlays/")]) == 2


def test_a_file_of_jobs_says_what_is_asked_of_which_image(bundle, mixed):
    Path("jobs.csv").write_text("image,prompt,label\nimages/a.png,a cyst,cyst\nimages/b.jpg,a mass,mass\n")
    assert predict(bundle, "--jobs", "jobs.csv") == 0
    assert [(row["prompt"], row["label"], row["mask"]) for row in rows()] == [
        ("a cyst", "cyst", "images/a_cyst.png"),
        ("a mass", "mass", "images/b_mass.png"),
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "expected either images or --jobs"),
        (["images", "--jobs", "jobs.csv"], "expected either images or --jobs"),
        (["images", "--prompt", "x", "--prompt", " "], "expected a text for --prompt, got nothing"),
        (["--jobs", "jobs.csv", "--prompt", "x"], "expected --prompt or --jobs, not both"),
        (["images", "--overlays", "-1"], "'overlays' must be a whole number"),
        (["images", "--batch-size", "0"], "'batch_size' must be a whole number"),
        (["images", "--paraphrases", "99"], "'paraphrases' must be a whole number"),
        (["images", "--device", "toaster"], "'device' must be"),
        (["images", "--precision", "int3"], "'precision' must be"),
        (["images", "--priority", "nobody"], "--priority names 'nobody'"),
        (["images", "--prompt", "x", "--prompt", "x"], "'x' is given 2 times"),
        (["images", "images/missing.png"], "is missing"),
        (["images", "--out", "images"], "lies in the folder of the results"),
    ],
)
def test_what_cannot_be_asked_is_told_before_anything_is_written(bundle, mixed, options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        predict(bundle, *options)
    assert not Path("masks").exists()


def test_what_was_killed_goes_on_where_it_was_and_nothing_is_torn(bundle, mixed, monkeypatch):
    """Killed between the two masks of the third image."""
    arguments = ["predict", str(mixed), "--bundle", str(bundle), "--prompt", "cyst", "--prompt", "mass"]
    write_mask, begun = write._write_mask, []

    def write_or_die(*given):
        begun.append(given)
        return die() if len(begun) == 6 else write_mask(*given)

    with monkeypatch.context() as patch:
        patch.setattr(write, "_write_mask", write_or_die)
        assert end_of_fork(lambda: main(arguments)) == -signal.SIGKILL
    before = times()
    assert 4 <= len(before) < 8
    assert not Path("masks/results.csv").exists()
    main(arguments)
    predictor = Predictor.from_bundle(bundle, device="cpu")
    for name, _ in MIXED:
        predictor.set_image(mixed / name)
        for prompt in ("cyst", "mass"):
            mask = np.asarray(Image.open(f"masks/{Path(name).with_suffix('')}_{prompt}.png")) > 0
            np.testing.assert_array_equal(mask, predictor.predict(prompt).mask)
    assert len(rows()) == 12
    assert sum(times()[name] == before[name] for name in before if "overlays" not in name) >= 4
    assert not list(Path("masks").rglob(".*.part.*"))


def test_a_calibration_of_another_checkpoint_is_refused(bundle):
    give_calibration(bundle, checkpoint_sha256="0" * 64)
    with pytest.raises(DataError, match="made for another checkpoint"):
        mask_of(bundle)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--workers", "2"], "--address and --workers are for --engine ray"),
        (["--address", "auto"], "--address and --workers are for --engine ray"),
        (["--dicom-seg"], "copy them here first"),
        (["--with-patient"], "copy them here first"),
    ],
)
def test_options_that_do_not_fit_together_are_told(bundle, options, message):
    write_picture("image.png")
    with pytest.raises(DataError, match=message):
        main(["predict", f"file://{Path('image.png').absolute()}", "--bundle", str(bundle), *options])


@pytest.mark.parametrize("count", ["0", "-1", "x", "1.5"])
def test_numbers_of_processes_and_threads_are_counts(bundle, capsys, count):
    with pytest.raises(SystemExit):
        main(["predict", "image.png", "--bundle", str(bundle), "--threads", count])
    assert "expected 1, 2" in capsys.readouterr().err
