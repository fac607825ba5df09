"""Two backbones have one fingerprint only if they give the same masks for the same words."""

import copy
import json

import pytest
import torch
from golden.make_golden import small_config, small_model
from transformers import CLIPTokenizer

from monai_vlsm.errors import DataError
from monai_vlsm.networks import Backbone, build_network, load_backbone
from monai_vlsm.networks.backbone import TINY_FOLDER
from monai_vlsm.networks.config import FIELDS


def small(tokenizer=None, salt="", **options):
    return Backbone("small", small_model(small_config(**options), salt), tokenizer)


def test_fingerprint_of_tiny_is_the_same_everywhere():
    """If this fails, every checkpoint trained on tiny so far is refused."""
    assert load_backbone("tiny").fingerprint == "07d8f6e8cfbc8b92700e9d6df22766cc"


def test_fingerprint_depends_on_no_name(small_backbone):
    assert Backbone("other", small_model(small_config())).fingerprint == small_backbone.fingerprint


def last_value(model):
    model.decoder.transposed_convolution[4].bias[-1] += 1e-6


def value_behind_the_first_64(model):
    model.clip.vision_model.encoder.layers[0].mlp.fc1.weight.view(-1)[70] += 1e-3


def halved(model):
    for parameter in model.parameters():
        parameter.mul_(0.5)


def sign_of_zero(model):
    model.decoder.film_mul.bias[0] = -0.0


def double(model):
    model.double()


@pytest.mark.parametrize("change", [last_value, value_behind_the_first_64, halved, sign_of_zero, double])
def test_every_value_counts(small_backbone, change):
    model = small_model(small_config())
    with torch.no_grad():
        change(model)
    assert Backbone("small", model).fingerprint != small_backbone.fingerprint


@pytest.mark.parametrize(
    "options",
    [
        {"vision": {"num_attention_heads": 8}},
        {"text": {"num_attention_heads": 4}},
        {"decoder_num_attention_heads": 4},
        {"vision": {"layer_norm_eps": 1e-3}},
        {"text": {"hidden_act": "gelu"}},
        {"extract_layers": [0, 2, 3]},
        {"conditional_layer": 1},
        {"text": {"eos_token_id": 2}},
    ],
    ids=str,
)
def test_configuration_that_changes_masks_counts(small_backbone, options):
    assert small(**options).fingerprint != small_backbone.fingerprint


@pytest.mark.parametrize(
    "options",
    [{"text": {"initializer_range": 0.1}}, {"initializer_factor": 2.0}, {"vision": {"attention_dropout": 0.1}}],
    ids=str,
)
def test_configuration_that_changes_no_mask_does_not_count(small_backbone, options):
    assert small(**options).fingerprint == small_backbone.fingerprint


def test_order_of_the_extracted_layers_does_not_count(small_backbone):
    assert small(extract_layers=[3, 1, 2]).fingerprint == small_backbone.fingerprint


def changed_tokenizer(tmp_path, change):
    vocabulary = json.loads((TINY_FOLDER / "vocab.json").read_text())
    merges = (TINY_FOLDER / "merges.txt").read_text().splitlines()
    settings = json.loads((TINY_FOLDER / "tokenizer_config.json").read_text())
    change(vocabulary, merges, settings)
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary))
    (tmp_path / "merges.txt").write_text("\n".join(merges))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    return CLIPTokenizer.from_pretrained(tmp_path)


def two_words_swapped(vocabulary, merges, settings):
    first, second = list(vocabulary)[300:302]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]


def shuffled(vocabulary, merges, settings):
    words = [word for word in vocabulary if "endoftext" not in word and "startoftext" not in word]
    for word, number in zip(words, sorted((vocabulary[word] for word in words), reverse=True), strict=True):
        vocabulary[word] = number


def last_merge_missing(vocabulary, merges, settings):
    del merges[-1]


def padded_on_the_left(vocabulary, merges, settings):
    settings["padding_side"] = "left"


def cut_on_the_left(vocabulary, merges, settings):
    settings["truncation_side"] = "left"


CHANGES = [two_words_swapped, shuffled, last_merge_missing, padded_on_the_left, cut_on_the_left]


@pytest.mark.parametrize("change", CHANGES)
def test_vocabulary_and_its_settings_count(tmp_path, tokenizer, change):
    assert small(changed_tokenizer(tmp_path, change)).fingerprint != small(tokenizer).fingerprint


def test_same_vocabulary_elsewhere_is_the_same(tmp_path, tokenizer):
    assert small(changed_tokenizer(tmp_path, lambda *parts: None)).fingerprint == small(tokenizer).fingerprint


def test_use_of_a_tokenizer_does_not_count(tokenizer):
    used = copy.deepcopy(tokenizer)
    used("many words " * 50, truncation=True, max_length=5, padding="max_length")
    assert small(used).fingerprint == small(tokenizer).fingerprint


@pytest.mark.parametrize("form", ["folder", "half of a folder", "bin", "tokenizer.json"])
def test_form_of_the_files_does_not_count(tmp_path, reading_backbone, form):
    reading_backbone.save(tmp_path)
    if form == "bin":
        torch.save(reading_backbone.model.state_dict(), tmp_path / "pytorch_model.bin")
        (tmp_path / "model.safetensors").unlink()
    if form == "tokenizer.json":
        assert (tmp_path / "tokenizer.json").is_file()
    if form == "half of a folder":
        for name in ("vocab.json", "merges.txt"):
            (tmp_path / name).write_bytes((TINY_FOLDER / name).read_bytes())
        (tmp_path / "tokenizer.json").unlink()
    assert load_backbone(str(tmp_path)).fingerprint == reading_backbone.fingerprint


@pytest.mark.parametrize(
    "options", [{"salt": "other"}, {"vision": {"num_attention_heads": 8}}, {"decoder_hidden_act": "gelu"}], ids=str
)
def test_checkpoint_of_another_backbone_is_refused(small_backbone, options):
    state = build_network("dense", small(**options)).state_dict()
    with pytest.raises(DataError, match="Weights, configuration and vocabulary must be the same"):
        build_network("dense", small_backbone).load_state_dict(state)


def test_every_field_of_the_configuration_is_listed_or_left_out_knowingly():
    config = small_config()
    known = {field for fields in FIELDS.values() for field in fields}
    own = set().union(*(type(part).__dataclass_fields__ for part in (config, config.text_config, config.vision_config)))
    general = set(type(config).__mro__[1].__dataclass_fields__)
    left_out = {"initializer_factor", "initializer_range", "logit_scale_init_value", "text_config", "vision_config"}
    assert own - general - known - left_out == set()
