"""``python -m monai_vlsm export``: what it says, and what it refuses before anything is written."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import torch
from exporting.made import make_bundle, two_layer_backbone
from small_disk import SMALL_DISK

from monai_vlsm import exporting
from monai_vlsm.__main__ import main
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.exporting import check, export, files
from monai_vlsm.networks import CLIPSegDenseAdapter, load_network

pytestmark = pytest.mark.usefixtures("no_traces_of_the_compiler")


@pytest.fixture
def bundle(tmp_path) -> Path:
    return make_bundle(tmp_path / "bundles" / "busi", CLIPSegDenseAdapter("tiny"))


@pytest.fixture
def nothing_is_recorded(monkeypatch):
    """Whatever is refused must be refused before the minutes that recording takes."""
    monkeypatch.setattr(export, "record", lambda *args: pytest.fail("a part was recorded"))


def run(bundle: Path, out: Path, backbone: str | Path = "tiny", *options: str) -> None:
    main(["export", str(bundle), "--backbone", str(backbone), "--out", str(out), *options])


@pytest.fixture(scope="module")
def pt2(tmp_path_factory, tokenizer) -> Path:
    folder = tmp_path_factory.mktemp("pt2")
    two_layer_backbone(tokenizer).save(folder / "backbone")
    bundle = make_bundle(folder / "busi", CLIPSegDenseAdapter(str(folder / "backbone")))
    run(bundle, folder / "out", folder / "backbone", "--format", "pt2")
    return folder


@torch.no_grad()
def test_files_of_torch_export_give_the_logits_of_the_network(pt2):
    network = load_network(pt2 / "busi" / "models" / "model.pt", str(pt2 / "backbone")).eval()
    encode_image, encode_text, decode = (
        torch.export.load(pt2 / "out" / f"{name}.pt2").module() for name in ("image_encoder", "text_encoder", "decoder")
    )
    image, input_ids = torch.randn(5, 3, *2 * [network.image_size]), network.default_input_ids.repeat(5, 1)
    logits = decode(encode_image(image), encode_text(input_ids))
    torch.testing.assert_close(logits, network(image, input_ids), rtol=0, atol=1e-4)


def test_the_card_of_torch_export_names_its_files(pt2):
    card = json.loads((pt2 / "out" / "card.json").read_text())
    assert card["kind"] == "pt2"
    assert {*card["files"], "card.json"} == {path.name for path in (pt2 / "out").iterdir()}


@pytest.mark.usefixtures("nothing_is_recorded")
def test_a_folder_with_files_is_left_as_it_is(bundle, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match=r"out' is not empty. Nothing was changed"):
        run(bundle, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.usefixtures("nothing_is_recorded")
@pytest.mark.parametrize("place", [".", "models", "new/onnx"])
def test_an_export_into_the_bundle_is_refused(bundle, place):
    with pytest.raises(DataError, match="lies in the bundle"):
        run(bundle, bundle / place)


@pytest.mark.usefixtures("nothing_is_recorded")
def test_a_bundle_without_model_is_told_how_to_get_one(bundle, tmp_path):
    (bundle / "models" / "model.pt").unlink()
    with pytest.raises(MissingFileError, match=r"models/model\.pt'\. Train first"):
        run(bundle, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("nothing_is_recorded")
def test_code_in_a_bundle_is_refused(bundle, tmp_path):
    inference = bundle / "configs" / "inference.json"
    inference.write_text(json.dumps({**json.loads(inference.read_text()), "prompt": "$print()"}))
    with pytest.raises(DataError, match=r"\$print"):
        run(bundle, tmp_path / "out")


@pytest.mark.usefixtures("nothing_is_recorded")
@pytest.mark.parametrize("name", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named_with_the_extra(bundle, tmp_path, monkeypatch, name):
    there = importlib.util.find_spec
    monkeypatch.setattr(files, "find_spec", lambda asked: None if asked == name else there(asked))
    with pytest.raises(DataError, match=rf"'{name}' is not installed: pip install \"monai_vlsm\[onnx\]\""):
        run(bundle, tmp_path / "out")


@pytest.mark.usefixtures("nothing_is_recorded")
@pytest.mark.parametrize(
    ("kind", "precision", "message"),
    [("tflite", "float32", "'tflite'"), ("onnx", "int8", "'int8'"), ("pt2", "float16", "export to 'onnx'")],
)
def test_an_unknown_format_or_precision_is_refused(bundle, tmp_path, kind, precision, message):
    with pytest.raises(DataError, match=message):
        exporting.export_bundle(bundle, tmp_path / "out", kind, precision, "tiny")


@pytest.fixture
def quick(monkeypatch, exported):
    """Take the recorded files from the export that is there, and skip the comparison unless a test wants it."""

    def write(parts, folder, kind, precision):
        for name in parts:
            shutil.copy(exported / "onnx" / f"{name}.onnx", folder)

    monkeypatch.setattr(export, "_write_parts", write)


def test_it_says_where_the_files_are_and_how_exact(exported, tmp_path, quick, capsys):
    run(exported / "busi", tmp_path / "out", exported / "backbone")
    assert "out: 5 files and a card, 0.6 MB; probabilities are at most" in capsys.readouterr().out


def test_exporting_twice_gives_the_same_card(exported, tmp_path, quick):
    run(exported / "busi", tmp_path / "out", exported / "backbone")
    assert (tmp_path / "out" / "card.json").read_bytes() == (exported / "onnx" / "card.json").read_bytes()


def test_files_that_give_something_else_are_not_kept(exported, tmp_path, quick):
    bundle = make_bundle(tmp_path / "busi", CLIPSegDenseAdapter(str(exported / "backbone")))
    with torch.no_grad():
        network = load_network(bundle / "models" / "model.pt", str(exported / "backbone"))
        network.cond_adapter.up.bias += 1
    torch.save({"model": network.state_dict()}, bundle / "models" / "model.pt")
    with pytest.raises(DataError, match=r"away from those of the network, at most 0\.001 is accepted"):
        run(bundle, tmp_path / "out", exported / "backbone")
    assert [path.name for path in tmp_path.iterdir()] == ["busi"]


@pytest.mark.parametrize("difference", [float("nan"), 0.011])
def test_a_large_difference_and_none_at_all_are_refused(difference):
    with pytest.raises(DataError, match="export in float32"):
        check.require_small(difference, "float16")


@SMALL_DISK
def test_a_full_disk_leaves_nothing_behind(exported, small_disk, quick):
    (small_disk / "full").write_bytes(bytes(1_900_000))
    with pytest.raises(DataError, match=r"the disk is full|not enough room"):
        run(exported / "busi", small_disk / "out", exported / "backbone")
    assert [path.name for path in small_disk.iterdir()] == ["full"]
