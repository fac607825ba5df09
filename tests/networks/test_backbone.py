"""Where the backbone comes from, and that all networks of a process share its frozen tensors."""

import copy
import gc
import json
import weakref

import pytest
import torch
from golden.make_golden import small_config, small_model
from networks.conftest import TOKENIZER_FILES
from torch import nn
from transformers import CLIPConfig, CLIPModel, CLIPTokenizer

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.networks import DEFAULT_BACKBONE, Backbone, load_backbone, load_tokenizer
from monai_vlsm.networks.backbone import ENVIRONMENT_VARIABLE, resolve_name

LOADERS = [load_backbone, load_tokenizer]


def frozen(network):
    return {name: p for name, p in network.named_parameters() if not p.requires_grad}


def addresses(network):
    return {name: p.data_ptr() for name, p in frozen(network).items()}


@pytest.mark.parametrize("asked", [None, "", DEFAULT_BACKBONE])
def test_environment_variable_replaces_the_default(monkeypatch, asked):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "tiny")
    assert load_backbone(asked) is load_backbone("tiny")


def test_environment_variable_gives_way_to_another_name(monkeypatch, whole_folder):
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, "tiny")
    assert load_backbone(str(whole_folder)).name == "whole"


@pytest.mark.parametrize("value", [None, ""])
def test_default_is_the_refined_clipseg(monkeypatch, value):
    if value is None:
        monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    else:
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, value)
    assert resolve_name() == "CIDAS/clipseg-rd64-refined"


def test_folder_gives_weights_and_tokenizer(whole_folder, reading_backbone):
    loaded = load_backbone(str(whole_folder))
    assert loaded.fingerprint == reading_backbone.fingerprint
    assert loaded.tokenizer("large polyp")["input_ids"] == reading_backbone.tokenizer("large polyp")["input_ids"]


def test_home_folder_may_be_abbreviated(monkeypatch, whole_folder):
    monkeypatch.setenv("HOME", str(whole_folder.parent))
    assert resolve_name("~/whole") == str(whole_folder)


def test_backbone_is_loaded_once_per_process():
    assert load_backbone("tiny") is load_backbone("tiny")


def test_backbone_is_taken_as_it_is(small_backbone):
    assert load_backbone(small_backbone) is small_backbone


def test_half_precision_file_is_loaded_as_float32(folder, reading_backbone):
    copy.deepcopy(reading_backbone.model).half().save_pretrained(folder)
    assert {p.dtype for p in load_backbone(str(folder)).model.parameters()} == {torch.float32}


def no_model(folder):
    for path in folder.iterdir():
        path.unlink()


def other_model(folder):
    no_model(folder)
    config = small_config()
    parts = {f"{part}_config": getattr(config, f"{part}_config").to_dict() for part in ("text", "vision")}
    CLIPModel(CLIPConfig(projection_dim=24, **parts)).save_pretrained(folder)


def no_weights(folder):
    (folder / "model.safetensors").unlink()


def truncated_weights(folder):
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def other_shapes(folder):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"projection_dim": 30}))


def damaged_config(folder):
    (folder / "config.json").write_text("{")


def no_vocabulary(folder):
    (folder / "vocab.json").unlink()


def no_tokenizer(folder):
    for name in TOKENIZER_FILES:
        (folder / name).unlink()


@pytest.mark.parametrize(
    "damage",
    [
        no_model,
        other_model,
        no_weights,
        truncated_weights,
        other_shapes,
        damaged_config,
        no_vocabulary,
        no_tokenizer,
    ],
)
def test_folder_without_a_whole_clipseg_is_refused_by_its_name(folder, damage):
    damage(folder)
    with pytest.raises(DataError, match="my_backbone"):
        load_backbone(str(folder))


def test_tokenizer_without_words_is_refused(folder):
    """transformers makes one without a complaint, and every prompt would be the same to it."""
    no_tokenizer(folder)
    with pytest.raises(DataError, match=r"no vocabulary \(vocab.json"):
        load_tokenizer(str(folder))


@pytest.mark.parametrize("load", LOADERS)
def test_missing_folder_is_named_with_its_full_path(load, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingFileError) as error:
        load("./nowhere")
    assert str(tmp_path / "nowhere") in str(error.value)


@pytest.mark.parametrize("load", LOADERS)
def test_without_hub_and_cache_one_message_says_all_that_helps(load):
    with pytest.raises(MissingFileError) as error:
        load()
    needed = ["CIDAS/clipseg-rd64-refined", "hf download CIDAS/clipseg-rd64-refined --revision 999e0328", "--backbone"]
    needed += [f"{ENVIRONMENT_VARIABLE}=", "--backbone tiny"]
    assert [part for part in needed if part not in str(error.value)] == []


def test_missing_tokenizer_is_an_error_of_its_own(small_backbone):
    with pytest.raises(DataError, match="'small' has no tokenizer"):
        load_tokenizer(small_backbone)


def test_published_clipseg_sees_pictures_of_352_pixels(full_size_backbone):
    assert full_size_backbone.image_size == 352


def test_any_other_clipseg_sees_pictures_of_its_own_size(small_backbone):
    assert small_backbone.image_size == 64


def test_fingerprint_depends_on_the_weights_alone(small_backbone):
    same, other = (Backbone("x", small_model(small_config(), salt)).fingerprint for salt in ("", "other"))
    assert same == small_backbone.fingerprint != other


@pytest.mark.parametrize("kinds", [("dense", "dense"), ("dense", "shallow"), ("shallow", "zero_shot")])
def test_networks_share_one_frozen_backbone(make_network, kinds):
    first, second = (addresses(make_network(kind)) for kind in kinds)
    assert len(first) > 50
    assert first == second


@pytest.mark.parametrize("kind", ["dense", "shallow", "decoder"])
def test_copies_share_the_frozen_backbone_and_nothing_else(make_network, kind):
    network = make_network(kind)
    copied = copy.deepcopy(network)
    own = {p.data_ptr() for p in network.parameters() if p.requires_grad}
    assert own, "nothing is trained: the test would pass on a network that shares everything"
    assert addresses(copied) == addresses(network)
    assert own.isdisjoint(p.data_ptr() for p in copied.parameters())


def test_tensors_that_are_trained_are_not_shared(make_network, small_backbone):
    source = {p.data_ptr() for p in small_backbone.model.parameters()}
    assert source.isdisjoint(p.data_ptr() for p in make_network("full").parameters())


@pytest.mark.parametrize("wrap", [lambda network: network, nn.Sequential], ids=["alone", "inside a parent"])
def test_converted_networks_share_the_converted_backbone(make_network, wrap):
    first, second = make_network("dense"), make_network("shallow")
    for network in (first, second):
        wrap(network).double()
    assert {p.dtype for p in first.parameters()} == {torch.float64}
    assert addresses(first) == addresses(second)


@pytest.mark.parametrize("target", [torch.float64, torch.float16, torch.device("meta")], ids=str)
def test_conversion_does_not_touch_the_other_network(make_network, batch, target):
    kept, converted = make_network("dense"), make_network("dense", seed=1)
    before, place = kept(**batch), addresses(kept)
    converted.to(target)
    assert target in {converted.cond_adapter.down.weight.dtype, converted.cond_adapter.down.weight.device}
    assert {(p.dtype, p.device) for p in frozen(converted).values()} == {
        (converted.cond_adapter.down.weight.dtype, converted.cond_adapter.down.weight.device)
    }
    assert torch.equal(kept(**batch), before)
    assert addresses(kept) == place


def test_conversion_there_and_back_returns_to_the_original(make_network):
    network = make_network("dense")
    place = addresses(network)
    assert addresses(network.half().float()) == place


def test_converted_backbone_is_freed_with_its_last_network(make_network):
    network = make_network("dense").double()
    tensor = weakref.ref(next(iter(frozen(network).values())))
    del network
    gc.collect()
    assert tensor() is None


@pytest.mark.parametrize("kind", ["dense", "decoder", "full"])
def test_training_one_network_leaves_the_other_as_it_was(make_network, batch, kind):
    other, network = make_network("shallow"), make_network(kind)
    before, start = other(**batch), network(**batch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.1, weight_decay=0.1)
    network(**batch).mean().backward()
    optimizer.step()
    assert not torch.equal(network(**batch), start), "the step did nothing: the test cannot fail"
    assert torch.equal(other(**batch), before)


def test_a_tokenizer_that_must_be_cached_is_not_asked_from_the_hub(monkeypatch):
    asked = []

    def refuse(*arguments, **options):
        asked.append(options)
        raise OSError("not cached")

    monkeypatch.setattr(CLIPTokenizer, "from_pretrained", refuse)
    with pytest.raises(MissingFileError, match="hf download somebody/clipseg"):
        load_tokenizer("somebody/clipseg", cached_only=True)
    assert [options["local_files_only"] for options in asked] == [True]
