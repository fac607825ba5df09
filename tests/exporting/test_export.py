"""What is in an export, and that its files give what the network gives, whatever the sizes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from calibration.documents import DOCUMENT

from monai_vlsm.data.whole import file_sha256
from monai_vlsm.exporting.check import run_of
from monai_vlsm.exporting.parts import parts_of
from monai_vlsm.networks import load_network

NAMES = ("image_encoder", "text_encoder", "decoder")


@pytest.fixture(scope="module")
def network(exported):
    return load_network(exported / "busi" / "models" / "model.pt", str(exported / "backbone")).eval()


@pytest.fixture(scope="module")
def parts(network):
    return parts_of(network, network.image_size)


@pytest.fixture(scope="module")
def runs(exported, parts):
    return [run_of(exported / "onnx" / f"{name}.onnx", part) for name, part in parts.items()]


@pytest.fixture(scope="module")
def card(exported) -> dict:
    return json.loads((exported / "onnx" / "card.json").read_text())


def some_inputs(network, batch: int, tokens: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(100 * batch + tokens)
    image = torch.randn(batch, 3, network.image_size, network.image_size, generator=generator)
    input_ids = torch.randint(network.tokenizer.bos_token_id, (batch, tokens), generator=generator)
    input_ids[:, 0], input_ids[:, -1] = network.tokenizer.bos_token_id, network.tokenizer.eos_token_id
    return image, input_ids


@pytest.mark.parametrize("tokens", [2, 5, 40, 77])
@pytest.mark.parametrize("batch", [1, 2, 3, 5])
@torch.no_grad()
def test_the_three_files_give_the_logits_of_the_network(network, runs, batch, tokens):
    image, input_ids = some_inputs(network, batch, tokens)
    encode_image, encode_text, decode = runs
    logits = decode(encode_image(image), encode_text(input_ids))
    assert logits.shape == (batch, 1, network.image_size, network.image_size)
    torch.testing.assert_close(logits, network(image, input_ids), rtol=0, atol=1e-3)


@torch.no_grad()
def test_what_stands_behind_the_end_of_a_text_changes_nothing(network, runs):
    _, input_ids = some_inputs(network, 3, 9)
    padded = torch.nn.functional.pad(input_ids, (0, 20), value=network.tokenizer.pad_token_id)
    torch.testing.assert_close(runs[1](padded), runs[1](input_ids), rtol=0, atol=1e-4)


def test_the_card_has_the_checksum_of_every_other_file(exported, card):
    files = {path.name: file_sha256(path) for path in (exported / "onnx").iterdir() if path.name != "card.json"}
    assert {name: facts["sha256"] for name, facts in card["files"].items()} == files
    assert set(files) == {"runtime.py", "tokenizer.json", *(f"{name}.onnx" for name in NAMES)}


def test_the_card_says_what_the_files_were_made_of(exported, card):
    made_of = card["made_of"]
    assert made_of["checkpoint_sha256"] == file_sha256(exported / "busi" / "models" / "model.pt")
    assert (made_of["bundle"], made_of["method"], made_of["backbone"]) == ("busi", "dense", "backbone")


def test_the_card_has_what_the_calibration_found(card):
    mask, presence = card["mask"], DOCUMENT["presence"]
    assert mask["temperature"] == DOCUMENT["temperature"]["value"]
    assert (mask["presence_slope"], mask["presence_offset"]) == (presence["a"], presence["b"])
    assert mask["min_presence"] == presence["threshold"]
    assert mask["thresholds"] == {"best_dice": 0.6, "risk_control": 0.2}


def test_the_card_names_the_free_axes(card):
    shapes = {name: next(iter(part["inputs"].values()))["shape"] for name, part in card["parts"].items()}
    assert shapes["image_encoder"] == ["batch", 3, 96, 96]
    assert shapes["text_encoder"] == ["batch", "tokens"]
    assert shapes["decoder"][0] == "batch"


def test_the_files_name_no_folder_of_this_machine(exported):
    content = b"".join((exported / "onnx" / f"{name}.onnx").read_bytes() for name in NAMES)
    package = Path(__file__).resolve().parents[2]
    assert str(package).encode() not in content
    assert b"site-packages" not in content
