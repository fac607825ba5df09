"""``monai_vlsm.runtime``: the Predictor's masks without PyTorch, and CLIP's tokens in plain Python."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_vlsm.exporting.card import text_facts, write_tokenizer
from monai_vlsm.networks import load_tokenizer
from monai_vlsm.predictor import Predictor
from monai_vlsm.runtime import Runtime, Tokenizer, read_picture
from monai_vlsm.transforms import load_image

RANDOM = np.random.default_rng(0)
IMAGES = {
    "color": RANDOM.integers(0, 256, (130, 170, 3), dtype=np.uint8),
    "gray of the network's size": RANDOM.integers(0, 256, (96, 96), dtype=np.uint8),
    "one pixel": np.full((1, 1), 200, dtype=np.uint8),
    "a strip": RANDOM.integers(0, 256, (4000, 30), dtype=np.uint8),
    "large": RANDOM.integers(0, 256, (1100, 1300), dtype=np.uint8),
    "16 bits": RANDOM.integers(0, 65536, (60, 50), dtype=np.uint16),
    "real numbers": RANDOM.normal(size=(50, 60, 3)),
    "yes and no": RANDOM.random((30, 20)) > 0.5,
    "whole numbers as floats": np.full((20, 30), 7.0),
}
TEXTS = [
    *("", "a", "A lesion, upper-left.", "  lead and trail  ", "a\tb\nc\r\nd\x85e\xa0f\u2003g\u3000h\u200bi\x1cj"),
    *("it's they're we'VE I'll 'd 'S ''s !'s 'tis", "-_=+*&^%$#@!~`", "1234567890" * 20, "½ ² Ⅻ ١٢٣ 三 ㊗"),
    *("😀🏽\u200d⚕️ 👩\u200d👩\u200d👧", "café cafe\u0301 ﬁ ß ẞ ŉ ǰ", "İstanbul ΑΣ ὈΔΥΣΣΕΎΣ", "日本語", "हिन्दी", "ไทย"),
    *("<|startoftext|>a<|endoftext|>", "x<|endoftext|>!!!", "word " * 200, "ab" * 150, "!" * 300, "\x00\x01\ue000"),
]


@pytest.fixture(scope="module")
def runtime(exported):
    return Runtime(exported / "onnx", threads=1)


@pytest.fixture(scope="module")
def predictor(exported):
    return Predictor.from_bundle(exported / "busi", str(exported / "backbone"), "cpu", precision="float32")


@pytest.fixture
def copy(exported, tmp_path) -> Path:
    return Path(shutil.copytree(exported / "onnx", tmp_path / "copy"))


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_masks_are_those_of_the_predictor(runtime, predictor, image):
    runtime.set_image(image)
    predictor.set_image(image)
    for prompt in ("circle", ""):
        found, expected = (model.predict(prompt, min_presence=0) for model in (runtime, predictor))
        np.testing.assert_allclose(found.probability, expected.probability, atol=1e-3)
        assert found.presence == pytest.approx(expected.presence, abs=1e-3)
        assert (found.mask != expected.mask).mean() <= 1e-3


def test_what_is_not_there_has_an_empty_mask_as_with_the_predictor(runtime, predictor, caplog):
    image = IMAGES["color"]
    presence = runtime.set_image(image).predict("circle", min_presence=0).presence
    asked = {"threshold": 0.0, "min_presence": presence + 0.01}
    assert not runtime.predict("circle", **asked).mask.any()
    assert not predictor.set_image(image).predict("circle", **asked).mask.any()


def test_an_image_is_encoded_once_for_many_prompts(runtime, monkeypatch):
    runtime.set_image(IMAGES["color"])
    monkeypatch.delitem(runtime._run, "image_encoder")
    assert runtime.predict("circle").mask.shape == runtime.predict("square").mask.shape == (130, 170)


def test_the_prompt_of_the_bundle_is_the_default(runtime):
    assert runtime.set_image(IMAGES["color"]).predict().prompt == "Tumor in the breast ultrasound image."


def test_numpy_and_onnxruntime_are_enough(copy):
    """The copy that lies beside the files runs where nothing of ours, PyTorch or transformers can be imported."""
    Image.fromarray(IMAGES["color"]).save(copy / "photo.png")
    code = (
        "import runpy, sys; sys.argv = ['runtime.py', 'photo.png', 'circle', 'square']\n"
        "for name in ('torch', 'monai', 'transformers', 'monai_vlsm', 'scipy', 'tokenizers', 'onnx'):\n"
        "    sys.modules[name] = None\n"
        "runpy.run_path('runtime.py', run_name='__main__')"
    )
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Image.open(copy / "photo.mask.png").size == Image.open(copy / "photo.mask1.png").size == (170, 130)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_pictures_are_read_as_the_package_reads_them(tmp_path, mode):
    values = RANDOM.integers(0, 256, (6, 5, 3), dtype=np.uint8)
    picture = Image.fromarray(values[..., 0].astype(np.uint16) * 250) if mode == "I;16" else Image.fromarray(values)
    picture = picture if mode == "I;16" else picture.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    picture.save(tmp_path / "picture.png", exif=exif)
    expected = load_image(tmp_path / "picture.png").numpy().transpose(2, 1, 0)
    found = read_picture(tmp_path / "picture.png")
    assert found.shape[:2] == expected.shape[:2] == (5, 6)
    if mode != "I;16":
        np.testing.assert_allclose(found / 255, expected, atol=1e-6)


@pytest.mark.parametrize("image", [np.zeros((0, 5)), np.zeros((4, 4, 2)), np.zeros((4,)), np.full((3, 3), np.nan)])
def test_what_is_no_image_is_refused(runtime, image):
    with pytest.raises(ValueError, match="image"):
        runtime.set_image(image)


def test_a_prompt_before_an_image_is_refused(exported):
    with pytest.raises(ValueError, match="call set_image first"):
        Runtime(exported / "onnx").predict("circle")


@pytest.mark.parametrize("name", ["image_encoder.onnx", "text_encoder.onnx", "decoder.onnx", "tokenizer.json"])
def test_a_file_that_was_changed_is_refused_by_name(copy, name):
    with (copy / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(ValueError, match=f"{name}' is not the file that the card names"):
        Runtime(copy)


@pytest.mark.parametrize("name", ["card.json", "decoder.onnx", "tokenizer.json"])
def test_a_missing_file_is_named(copy, name):
    (copy / name).unlink()
    with pytest.raises(FileNotFoundError, match=name):
        Runtime(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"kind": "pt2"},
        {"files": {}},
        {"files": None},
        {"mask": {}},
        {"image": {"size": "96"}},
        {"text": None},
    ],
)
def test_a_card_that_is_not_of_this_kind_is_refused(copy, change):
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps({**card, **change}))
    with pytest.raises(ValueError, match="card"):
        Runtime(copy)


@pytest.mark.parametrize("content", ["", "[]", "null", "{"])
def test_a_card_that_is_none_is_refused(copy, content):
    (copy / "card.json").write_text(content)
    with pytest.raises(ValueError, match=r"card\.json"):
        Runtime(copy)


@pytest.fixture(scope="module", params=["tiny", "CLIP"])
def tokenizers(request, tmp_path_factory):
    """A tokenizer of transformers, and ours from its file."""
    folder = "tiny" if request.param == "tiny" else str(request.getfixturevalue("shared_folder") / "clip_tokenizer")
    theirs = load_tokenizer(folder)
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    write_tokenizer(theirs, file)
    return theirs, Tokenizer(json.loads(file.read_text(encoding="utf-8")), text_facts(theirs, ""))


def assert_same_tokens(tokenizers, text: str) -> None:
    theirs, ours = tokenizers
    assert ours(text) == theirs(text, truncation=True, max_length=77)["input_ids"]


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[:30])
def test_tokens_are_those_of_transformers(tokenizers, text):
    assert_same_tokens(tokenizers, text)


@pytest.mark.parametrize("seed", range(100))
def test_tokens_of_random_signs_are_those_of_transformers(tokenizers, seed):
    chance = random.Random(seed)
    signs = [sign for sign in map(chr, chance.choices(range(0x20000), k=200)) if unicodedata.category(sign)[0] != "C"]
    common = chance.choices([*" aeT'1.-", "'s", "<|endoftext|>", "\u0301"], k=len(signs))
    for start in range(0, len(signs), 20):
        assert_same_tokens(tokenizers, "".join(chance.sample(signs[start : start + 20] + common[:20], 20)))


def test_a_prompt_of_ten_thousand_letters_takes_no_time(tokenizers):
    assert_same_tokens(tokenizers, "".join(random.Random(0).choices("abcdefghijklmnopqrstuvwxyz", k=10_000)))
    assert_same_tokens(tokenizers, "a " * 100_000)


def test_a_prompt_that_is_no_text_is_refused(runtime):
    with pytest.raises(ValueError, match="must be a string, not 7"):
        runtime.tokenizer(7)
