"""The scenes that the tiny backbone is pretrained on, and how well the shipped weights follow text."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "monai_vlsm" / "networks" / "tiny"
LOOKS = ("photo", "endoscopy", "ultrasound", "xray")


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    """On a busy machine several threads wait for each other: these small networks are then much slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tiny():
    """The modules of the script by their short names."""
    sys.path.insert(0, str(ROOT / "scripts" / "tiny"))
    try:
        names = ("scenes", "prompts", "tokenizer", "hints", "model", "report")
        modules = {name: importlib.import_module(name) for name in names}
        return SimpleNamespace(**modules, pretrain=importlib.import_module("pretrain"))
    finally:
        sys.path.remove(str(ROOT / "scripts" / "tiny"))


@pytest.fixture(scope="module")
def tokenizer():
    return CLIPTokenizer.from_pretrained(FOLDER)


@pytest.fixture(scope="module")
def scores(tiny, tokenizer):
    model = CLIPSegForImageSegmentation.from_pretrained(FOLDER, dtype=torch.float32)
    return tiny.report.evaluate(model, tokenizer, seed=0, scenes=64, device=torch.device("cpu"))


@pytest.mark.parametrize("look", LOOKS)
def test_equal_seeds_draw_equal_scenes(tiny, look):
    first, again = (tiny.scenes.draw_scene(3, 5, look) for _ in range(2))
    assert np.array_equal(first.image, again.image)
    assert [thing.attributes for thing in first.things] == [thing.attributes for thing in again.things]


def test_another_index_draws_another_scene(tiny):
    assert not np.array_equal(tiny.scenes.draw_scene(3, 5).image, tiny.scenes.draw_scene(3, 6).image)


@pytest.mark.parametrize("index", range(12))
def test_objects_share_no_pixel(tiny, index):
    scene = tiny.scenes.draw_scene(1, index)
    assert np.sum([thing.mask for thing in scene.things], axis=0).max() == 1


@pytest.mark.parametrize("index", range(12))
def test_objects_have_the_size_that_their_word_says(tiny, index):
    scene = tiny.scenes.draw_scene(1, index)
    ranges = [tiny.scenes.SIZES[thing.attributes["size"]] for thing in scene.things]
    shares = [thing.mask.mean() for thing in scene.things]
    assert all(0.9 * low < share < 1.1 * high for (low, high), share in zip(ranges, shares, strict=True))


@pytest.mark.parametrize("index", range(12))
def test_mask_of_a_prompt_is_the_union_of_all_objects_that_it_fits(tiny, index):
    scene = tiny.scenes.draw_scene(1, index)
    for prompt in tiny.prompts.draw_prompts(scene, np.random.default_rng(index), 8):
        named = [scene.things[prompt.targets[0]].attributes[name] for name in prompt.kind]
        fits = [[t.attributes[name] for name in prompt.kind] == named for t in scene.things]
        union = np.any([t.mask for t, fit in zip(scene.things, fits, strict=True) if fit], axis=0)
        assert prompt.mask.any()
        assert np.array_equal(prompt.mask, union)


@pytest.mark.parametrize("index", range(12))
def test_no_prompt_fits_the_whole_scene(tiny, index):
    scene = tiny.scenes.draw_scene(2, index)
    prompts = tiny.prompts.draw_prompts(scene, np.random.default_rng(index), 8)
    assert all(len(prompt.targets) < len(scene.things) for prompt in prompts)


@pytest.mark.parametrize("index", range(6))
def test_a_prompt_that_says_no_names_what_is_not_in_the_scene(tiny, index):
    scene = tiny.scenes.draw_scene(5, index)
    prompt = tiny.prompts.draw_absent_prompt(scene, np.random.default_rng(index))
    assert "no" in prompt.text.split()
    assert not prompt.targets
    assert not prompt.mask.any()
    assert set(tiny.hints.prompt_labels(scene, prompt)) == {tiny.hints.NOTHING}


@pytest.mark.parametrize(("absent", "expected"), [(0.0, 0), (1.0, 5)])
def test_absent_is_the_share_of_scenes_with_such_a_prompt(tiny, absent, expected):
    scenes = tiny.model.SceneData(5, 5, 4, absent)
    prompts = [scenes[i][1] for i in range(5)]
    assert sum(not found[-1].targets for found in prompts) == expected
    assert all(prompt.targets for found in prompts for prompt in found[:-1])


def test_prompts_leave_the_words_of_the_phantom_to_the_phantom(tiny):
    scenes = [tiny.scenes.draw_scene(4, i) for i in range(50)]
    texts = [p.text for i, s in enumerate(scenes) for p in tiny.prompts.draw_prompts(s, np.random.default_rng(i), 6)]
    assert len(texts) == 300
    assert not {"cyst", "cysts", "mass", "masses"} & set(" ".join(texts).split())


@pytest.mark.parametrize("index", range(6))
def test_a_prompt_is_labeled_with_the_attributes_that_it_names(tiny, index):
    scene = tiny.scenes.draw_scene(5, index)
    prompt = tiny.prompts.draw_prompts(scene, np.random.default_rng(index), 1)[0]
    labels = dict(zip(tiny.scenes.ATTRIBUTES, tiny.hints.prompt_labels(scene, prompt), strict=True))
    named = {name: label for name, label in labels.items() if label != tiny.hints.NOTHING}
    values = {name: tiny.scenes.ATTRIBUTES[name][label] for name, label in named.items()}
    assert set(values) == set(prompt.kind)
    assert tiny.prompts.matches(scene, values) == prompt.targets


@pytest.mark.parametrize("index", range(6))
def test_patches_are_labeled_where_the_objects_are(tiny, index):
    scene = tiny.scenes.draw_scene(5, index)
    labels = tiny.hints.patch_labels(scene, 8).reshape(5, 12, 12).repeat(8, axis=1).repeat(8, axis=2)
    colors = tiny.scenes.ATTRIBUTES["color"]
    for thing in scene.things:
        row, column = (int(np.median(where)) for where in np.nonzero(thing.mask))
        assert colors[labels[1, row, column]] == thing.attributes["color"]


def test_every_word_of_the_prompts_is_one_token(tiny, tokenizer):
    scenes = [tiny.scenes.draw_scene(4, i) for i in range(50)]
    texts = [p.text for i, s in enumerate(scenes) for p in tiny.prompts.draw_prompts(s, np.random.default_rng(i), 6)]
    words = {word.strip(",") for text in texts for word in text.replace("x-ray", "x ray").split()}
    assert len(words) > 50
    assert {word: len(tokenizer(word)["input_ids"]) for word in words} == dict.fromkeys(words, 3)


def test_folder_is_smaller_than_8_megabytes():
    sizes = [path.stat().st_size for path in FOLDER.iterdir()]
    assert len(sizes) == 5
    assert sum(sizes) < 8e6


def test_tokenizer_files_are_those_that_the_script_writes(tiny, tmp_path):
    tiny.tokenizer.write_tokenizer(tmp_path)
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert sorted(written) == ["merges.txt", "tokenizer_config.json", "vocab.json"]
    assert written == {name: (FOLDER / name).read_text(encoding="utf-8") for name in written}


@pytest.mark.parametrize("text", ["a polyp", "left atrium cavity", "x - ray 1 2", "naïve mélanome 日本", ""])
def test_tokenizer_gives_back_what_it_encoded(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_tokenizer_lowers_case(tokenizer):
    assert tokenizer("Breast Ultrasound")["input_ids"] == tokenizer("breast ultrasound")["input_ids"]


def test_tokenizer_cuts_at_77_and_keeps_the_end_token(tokenizer):
    ids = tokenizer("polyp " * 100, truncation=True)["input_ids"]
    assert len(ids) == 77
    assert ids[-1] == tokenizer.eos_token_id == tokenizer.pad_token_id


def test_text_is_pooled_at_the_end_token(tokenizer):
    model = CLIPSegForImageSegmentation.from_pretrained(FOLDER, dtype=torch.float32).eval()
    short, padded = (
        tokenizer("a red circle", padding="max_length", max_length=length, return_tensors="pt")["input_ids"]
        for length in (5, 20)
    )
    with torch.inference_mode():
        pooled = [model.clip.text_model(ids).pooler_output for ids in (short, padded)]
    torch.testing.assert_close(pooled[0], pooled[1])


def test_right_prompt_finds_its_objects_in_scenes_never_seen(scores):
    right = scores["all"]["right"]
    assert len(right) == 64 * 6
    assert np.mean(right) >= 0.90


def test_prompt_of_another_object_rarely_finds_this_one(scores):
    wrong = scores["all"]["wrong"]
    assert len(wrong) > 64 * 6
    assert np.mean(wrong) <= 0.05


def test_a_prompt_that_says_no_masks_nothing(scores):
    empty = scores["no ..."]["right"]
    assert len(empty) == 64
    assert np.mean(empty) >= 0.95


@pytest.mark.parametrize("kind", ["color", "place", "color, place", "shape, place"])
def test_prompts_with_color_or_place_mask_their_object_and_no_other(scores, kind):
    found = scores[f"prompt: {kind}"]
    assert min(len(found["right"]), len(found["wrong"])) >= 15
    assert np.mean(found["right"]) >= 0.85
    assert np.mean(found["wrong"]) <= 0.05


@pytest.mark.parametrize("look", LOOKS)
def test_every_look_is_learned(scores, look):
    assert np.mean(scores[f"look: {look}"]["right"]) >= 0.75


def test_two_short_runs_with_one_seed_write_the_same_weights(tiny, tmp_path):
    written = []
    for name in ("first", "second"):
        options = ["--out", str(tmp_path / name), "--steps", "1", "--batch-size", "2", "--workers", "0"]
        tiny.pretrain.pretrain(tiny.pretrain.parse_arguments(options), torch.device("cpu"))
        written.append((tmp_path / name / "model.safetensors").read_bytes())
    assert written[0] == written[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]
