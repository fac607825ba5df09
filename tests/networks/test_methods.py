"""Networks by the name of their method, and by their checkpoint alone."""

import json

import pytest
import torch
from networks.installed import installed

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.networks import (
    METHODS,
    build_network,
    load_network,
    save_adapters,
    trainable_summary,
    trained_parameters,
)
from monai_vlsm.networks.backbone import DEFAULT_BACKBONE

RECIPES = {
    "dense": (1e-3, 1e-3, 0.3, 1.5, 1.0),
    "shallow": (3e-4, 1e-3, 0.3, 1.5, 1.0),
    "telescopic": (1e-3, 1e-3, 0.3, 1.5, 1.0),
    "lora": (2e-4, 1e-2, 0.3, 1.5, 1.0),
    "coop": (2e-4, 0, 0.2, 1.0, 0.2),
    "vpt": (2e-4, 0, 0.2, 1.0, 0.2),
    "maple": (2e-4, 0, 0.2, 1.0, 0.2),
    "decoder": (1e-3, 1e-3, 0.3, 1.5, 1.0),
    "full": (1e-4, 1e-3, 0.3, 1.5, 1.0),
    "zero_shot": (0, 0, 0.3, 1.5, 1.0),
    "unet": (1e-3, 1e-3, 0.3, 1.5, 1.0),
    "unetpp": (3e-4, 1e-3, 0.3, 1.5, 1.0),
    "attention_unet": (1e-4, 1e-3, 0.3, 1.5, 1.0),
    "flexible_unet": (1e-3, 1e-3, 0.3, 1.5, 1.0),
    "swin_unetr": (1e-4, 1e-5, 0.3, 1.5, 1.0),
}


@pytest.mark.parametrize("method", installed(METHODS))
def test_method_builds_its_network(small_backbone, method):
    network = build_network(method, small_backbone)
    assert (type(network), network.method) == (METHODS[method].network_class, method)


def test_every_recipe_is_tested_here():
    assert set(METHODS) == set(RECIPES)


@pytest.mark.parametrize(("method", "recipe"), list(RECIPES.items()))
def test_recipe_of_the_method(method, recipe):
    found = METHODS[method]
    rates = found.learning_rate, found.weight_decay, found.lr_factor, found.lambda_dice, found.lambda_ce
    assert rates == recipe


@pytest.mark.parametrize("method", ["Dense", "", "ensemble", None, 3, ["dense"]], ids=repr)
def test_unknown_method_is_refused_with_the_known_ones(small_backbone, method):
    with pytest.raises(DataError, match=f"choose one of {', '.join(METHODS)}"):
        build_network(method, small_backbone)


@pytest.mark.parametrize(
    ("method", "setting", "allowed"),
    [
        ("dense", "rank", "only bottleneck, adapt_vision"),
        ("vpt", "bottleneck", "only contexts, context_depth"),
        ("decoder", "bottleneck", "none"),
        ("full", "mode", "none"),
    ],
)
def test_setting_of_another_method_is_refused_with_the_allowed_ones(small_backbone, method, setting, allowed):
    with pytest.raises(DataError, match=f"{method!r} has no setting {setting!r}, {allowed}"):
        build_network(method, small_backbone, **{setting: 4})


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("dense", {"bottleneck": 0}),
        ("dense", {"bottleneck": 10**9}),
        ("dense", {"bottleneck": 4.0}),
        ("dense", {"bottleneck": "64"}),
        ("dense", {"bottleneck": True}),
        ("dense", {"cond_bottleneck": -1}),
        ("dense", {"adapt_text": "false"}),
        ("dense", {"adapt_vision": 1}),
        ("telescopic", {"bottleneck": 0}),
        ("telescopic", {"bottleneck": "64"}),
        ("coop", {"contexts": 65}),
        ("coop", {"context_depth": 6}),
        ("vpt", {"contexts": 0}),
        ("vpt", {"context_depth": 6}),
        ("maple", {"context_depth": 1.0}),
        ("lora", {"lora_rank": 0}),
        ("lora", {"lora_alpha": 0}),
        ("lora", {"lora_alpha": float("nan")}),
        ("lora", {"lora_dropout": 1}),
        ("lora", {"adapt_text": 1}),
    ],
    ids=str,
)
def test_wrong_value_of_a_setting_is_refused(small_backbone, method, settings):
    with pytest.raises(DataError, match=f"{next(iter(settings))}|bottleneck.* must be"):
        build_network(method, small_backbone, **settings)


def test_none_leaves_a_setting_at_its_default(small_backbone):
    network = build_network("decoder", small_backbone, bottleneck=None)
    assert network.settings == {}
    assert build_network("dense", small_backbone, bottleneck=None).settings["bottleneck"] == 64


@pytest.fixture(
    params=[
        ("dense", {"bottleneck": 3, "adapt_text": False}),
        ("shallow", {"cond_bottleneck": 5}),
        ("telescopic", {"bottleneck": 30, "adapt_vision": False}),
        ("coop", {"contexts": 2, "context_depth": 3}),
        ("vpt", {"contexts": 2}),
        ("maple", {"context_depth": 2}),
        ("lora", {"lora_rank": 2, "adapt_text": True}),
        ("decoder", {}),
    ],
    ids=lambda param: param[0],
)
def source(request, small_backbone):
    """A trained network with settings of its own."""
    method, settings = request.param
    network = build_network(method, small_backbone, **settings)
    with torch.no_grad():
        for parameter in trained_parameters(network):
            parameter.mul_(1.1)
    return network


def test_file_alone_gives_the_network(source, small_backbone, batch, tmp_path):
    save_adapters(source, tmp_path / "model.pt")
    network = load_network(tmp_path / "model.pt", small_backbone)
    assert network.describe() == source.describe()
    assert torch.equal(network(**batch), source(**batch))


def test_file_that_is_there_decides_over_what_is_asked(source, small_backbone, tmp_path):
    save_adapters(source, tmp_path / "model.pt")
    network = build_network("full", small_backbone, checkpoint=tmp_path / "model.pt", rank=3)
    assert network.describe() == source.describe()
    trained, given = (next(iter(trained_parameters(n))) for n in (network, source))
    assert not torch.equal(trained, given), "the weights were loaded, too"


def test_file_that_is_not_there_decides_nothing(small_backbone, tmp_path):
    assert build_network("shallow", small_backbone, checkpoint=tmp_path / "model.pt").method == "shallow"


def test_tiny_is_found_by_its_name(tmp_path):
    source = build_network("dense", "tiny", "large polyp", bottleneck=2)
    save_adapters(source, tmp_path / "model.pt")
    image = torch.randn(1, 3, 96, 96)
    assert torch.equal(load_network(tmp_path / "model.pt")(image), source(image))


def test_a_file_of_tiny_needs_no_other_backbone_where_nobody_chose_one(tmp_path, caplog):
    save_adapters(build_network("dense", "tiny"), tmp_path / "a.pt")
    network = build_network(backbone=DEFAULT_BACKBONE, checkpoint=tmp_path / "a.pt")
    assert network.backbone_name == "tiny"
    assert "trained on the backbone 'tiny'" in caplog.text


def test_name_in_a_file_is_never_fetched(small_backbone, tmp_path, monkeypatch):
    """A stranger's file must not make a machine ask the hub, or read a folder, of the stranger's choice."""
    monkeypatch.setenv("MONAI_VLSM_BACKBONE", "tiny")
    save_adapters(build_network("dense", small_backbone, bottleneck=2), tmp_path / "model.pt")
    with pytest.raises(DataError, match="trained on the backbone 'small'"):
        load_network(tmp_path / "model.pt")


def claim(state, **settings):
    facts = json.loads(state["facts"].numpy().tobytes())
    facts["settings"] |= settings
    state["facts"] = torch.tensor(list(json.dumps(facts).encode().ljust(1024)), dtype=torch.uint8)


@pytest.mark.parametrize(
    "settings",
    [{"bottleneck": 60_000}, {"bottleneck": "6"}, {"rank": 3}, {"adapt_text": False}, {"bottleneck": [1]}],
    ids=str,
)
def test_settings_that_the_tensors_belie_are_refused_before_memory_is_taken(small_backbone, tmp_path, settings):
    state = build_network("dense", small_backbone, bottleneck=6).state_dict()
    claim(state, **settings)
    torch.save({"model": state}, tmp_path / "model.pt")
    with pytest.raises(DataError, match=r"model\.pt"):
        load_network(tmp_path / "model.pt", small_backbone)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match="there is no checkpoint"):
        load_network(tmp_path / "model.pt")


def test_training_zero_shot_is_an_error(small_backbone):
    with pytest.raises(DataError, match="choose a method other than 'zero_shot'"):
        trained_parameters(build_network("zero_shot", small_backbone))


def test_summary_counts_what_is_trained():
    assert trainable_summary(build_network("dense", "tiny")) == SUMMARY


SUMMARY = "339,744 of 2,424,417 (14.0%)"


@pytest.mark.parametrize(
    ("method", "told"),
    [
        ("dense", "attention and MLP of vision blocks 0 to 2, attention and MLP of text blocks 0 to 2, the embedding"),
        ("shallow", "what vision blocks 1, 2, 3 give, what text blocks 1, 2, 3 give, the embedding of the prompt"),
        ("telescopic", "attention and MLP of vision blocks 0 to 2, attention and MLP of text blocks 2 to 4, the embed"),
        ("coop", "4 contexts at depth 0 to 0"),
        ("lora", "LoRA of rank 8 on query and value of the vision encoder"),
        ("unet", "reads no text"),
        ("decoder", "method='decoder', backbone='small'"),
    ],
)
def test_print_shows_what_is_trained(small_backbone, method, told):
    assert told in str(build_network(method, small_backbone))
