"""What a training keeps, refuses and repeats, on a bundle as it is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from bundles.quick import QUICK, ROOT
from monai.bundle import run
from PIL import Image
from small_disk import SMALL_DISK

from monai_vlsm.data.folder_lock import FolderLock
from monai_vlsm.errors import UserError, find_message
from monai_vlsm.networks import CLIPSegShallowAdapter, load_network
from monai_vlsm.networks.nets.base import CLIPSegNetwork
from monai_vlsm.predictor import Predictor


@pytest.fixture(scope="module")
def train(phantom):
    def start(root, **options):
        run(
            run_id="training",
            config_file=str(root / "configs" / "train.json"),
            bundle_root=str(root),
            dataset_dir=phantom,
            **{**QUICK, **options},
        )
        return torch.load(root / "eval" / "training_state.pt", weights_only=True)

    return start


@pytest.fixture
def message_of(train):
    """Train in vain, and return what a person is told."""

    def fail(root, **options):
        with pytest.raises((RuntimeError, UserError)) as failure:
            train(root, **options)
        message = find_message(failure.value)
        assert message is not None, f"not told in a sentence: {failure.value!r}"
        return message

    return fail


@pytest.fixture
def root(bundle):
    return bundle("phantom")


@pytest.fixture(scope="module")
def new_root(tmp_path_factory):
    """Return copies of the bundle that tests share."""

    def copy() -> Path:
        root = tmp_path_factory.mktemp("shared") / "phantom"
        return Path(
            shutil.copytree(ROOT / "bundles" / "phantom", root, ignore=shutil.ignore_patterns("eval", "models"))
        )

    return copy


@pytest.fixture(scope="module")
def trained_root(new_root, train):
    """A bundle that was trained for an epoch; for tests that do not change it."""
    root = new_root()
    train(root)
    return root


@pytest.fixture
def trained(trained_root, tmp_path):
    """A copy of such a bundle, in which training goes on."""
    return Path(shutil.copytree(trained_root, tmp_path / "trained" / "phantom"))


def same_weights(state, other):
    weights = state["objects"]["network"]
    return bool(weights) and all(
        torch.equal(tensor, other["objects"]["network"][name]) for name, tensor in weights.items()
    )


# Methods


@pytest.fixture(scope="module")
def shallow(new_root, train):
    """A trained bundle, which tests only add to."""
    root = new_root()
    train(root, method="shallow", bottleneck=7)
    return root


def test_shallow_adapters_are_trained_and_the_model_knows_it(shallow):
    network = load_network(shallow / "models" / "model.pt")
    assert isinstance(network, CLIPSegShallowAdapter)
    assert network.state_dict()["vision_adapters.0.down.weight"].shape[0] == 7


def test_evaluation_reads_method_and_settings_from_the_model(shallow, phantom):
    configs = [str(shallow / "configs" / f"{name}.json") for name in ("train", "evaluate")]
    run(run_id="evaluating", config_file=configs, bundle_root=str(shallow), dataset_dir=phantom, overlays=0, **QUICK)
    summary = json.loads((shallow / "eval" / "test_p1" / "summary.json").read_text())
    assert summary["images"] > 0


def test_inference_reads_method_and_settings_from_the_model(shallow, phantom, tmp_path):
    config = str(shallow / "configs" / "inference.json")
    run(config_file=config, bundle_root=str(shallow), images=f"{phantom}/images", output_dir=str(tmp_path / "masks"))
    masks = list((tmp_path / "masks").glob("*_mask.png"))
    assert masks
    assert np.asarray(Image.open(masks[0])).max() in (0, 1, 255)


@pytest.mark.parametrize("method", ["decoder", "full", "telescopic", "lora", "coop"])
def test_the_other_methods_are_trained_too(root, train, method):
    train(root, method=method)
    network = load_network(root / "models" / "model.pt")
    assert (network.method, network.backbone_name) == (method, "tiny")


def test_what_gets_no_gradient_ends_the_training_with_its_name(root, message_of, monkeypatch):
    """As in the forward pass of transformers, which runs both encoders without gradients."""
    monkeypatch.setattr(CLIPSegNetwork, "_embed_text", torch.no_grad()(CLIPSegNetwork._embed_text))
    message = message_of(root, method="lora", adapt_text=True)
    assert "text_model.encoder.layers.0.self_attn.v_proj.lora_A.default.weight' is to be trained, but got no" in message


def test_network_without_text_is_used_like_any_other(root, train, phantom, tmp_path):
    train(root, method="unet")
    configs = [str(root / "configs" / f"{name}.json") for name in ("train", "evaluate")]
    run(run_id="evaluating", config_file=configs, bundle_root=str(root), dataset_dir=phantom, overlays=0, **QUICK)
    assert json.loads((root / "eval" / "test_p1" / "summary.json").read_text())["images"] > 0
    predictor = Predictor.from_bundle(root, "tiny").set_image(next(Path(phantom, "images").iterdir()))
    assert np.array_equal(predictor.predict("tumor").probability, predictor.predict("cyst").probability)


def test_a_method_that_trains_nothing_is_refused_in_a_sentence(root, message_of):
    assert "choose a method other than 'zero_shot'" in message_of(root, method="zero_shot")


def test_an_unknown_method_is_refused_with_those_that_are_known(root, message_of):
    message = message_of(root, method="deep")
    assert "'deep'" in message
    assert "shallow" in message


# Going on


def test_two_processes_that_load_data_end_in_the_same_weights(root, train):
    without = train(root, max_epochs=2)
    assert same_weights(train(root, max_epochs=2, num_workers=2), without)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"batch_size": 2}, "batch_size was 4 and is 2"),
        ({"train_fraction": 0.5}, "train_fraction was 1.0 and is 0.5"),
        ({"seed": 1}, "seed was 42 and is 1"),
        ({"method": "shallow"}, "method was 'dense' and is 'shallow'"),
        ({"bottleneck": 5}, "bottleneck was None and is 5"),
        ({"prompt_level": "p1"}, "prompt_level was 'random' and is 'p1'"),
        ({"lambda_dice": 1.0}, "lambda_dice was 1.5 and is 1.0"),
    ],
)
def test_another_setting_is_refused_by_name_when_training_goes_on(trained_root, message_of, options, named):
    before = (trained_root / "models" / "model.pt").read_bytes()
    assert named in message_of(trained_root, resume=True, max_epochs=2, **options)
    assert (trained_root / "models" / "model.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("learning_rate", 0.05, lambda state: state["objects"]["optimizer"]["param_groups"][0]["lr"]),
        ("weight_decay", 0.05, lambda state: state["objects"]["optimizer"]["param_groups"][0]["weight_decay"]),
        ("lr_patience", 9, lambda state: state["objects"]["lr_scheduler"]["patience"]),
        ("lr_factor", 0.9, lambda state: state["objects"]["lr_scheduler"]["factor"]),
        ("max_epochs", 3, lambda state: state["epoch"]),
    ],
)
def test_a_setting_that_can_change_is_applied_when_training_goes_on(trained, train, name, value, found):
    options = {"max_epochs": 2, "early_stop_patience": 50, name: value}
    assert found(train(trained, resume=True, **options)) == value


# The model of an earlier training


@pytest.fixture(scope="module")
def replaced(tmp_path_factory, trained_root, train):
    """A bundle whose model was replaced by that of another training."""
    root = Path(shutil.copytree(trained_root, tmp_path_factory.mktemp("replaced") / "phantom"))
    train(root, seed=7, method="shallow")
    return root


def test_a_new_training_keeps_the_model_and_the_state_of_the_one_before(replaced, trained_root):
    (older,) = (replaced / "models" / "older").iterdir()
    before = (trained_root / "models" / "model.pt").read_bytes()
    assert older.read_bytes() == before
    assert (replaced / "models" / "model.pt").read_bytes() != before
    assert torch.load(replaced / "eval" / "training_state.older.pt", weights_only=True)["settings"]["seed"] == 42


def test_a_model_that_was_kept_can_be_evaluated(replaced, phantom):
    (older,) = (replaced / "models" / "older").iterdir()
    configs = [str(replaced / "configs" / f"{name}.json") for name in ("train", "evaluate")]
    options = {"bundle_root": str(replaced), "dataset_dir": phantom, "checkpoint": str(older), "overlays": 0, **QUICK}
    run(run_id="evaluating", config_file=configs, **options)
    assert json.loads((replaced / "eval" / "test_p1" / "summary.json").read_text())["model"] == str(older)


def test_a_second_training_in_one_folder_is_refused_and_changes_nothing(trained_root, message_of):
    before = (trained_root / "models" / "model.pt").read_bytes()
    lock = FolderLock(trained_root / "models")
    lock.acquire()
    assert "writes into" in message_of(trained_root)
    lock.release()
    assert (trained_root / "models" / "model.pt").read_bytes() == before
    assert not (trained_root / "models" / "older").exists()


@SMALL_DISK
def test_a_disk_that_fills_up_is_named_and_the_best_model_is_whole(root, small_disk, message_of):
    """The model of 1.4 MB fits on it, the state of 4 MB does not."""
    on_small_disk = Path(shutil.copytree(root, small_disk / "phantom"))
    message = message_of(on_small_disk)
    assert "training_state.pt" in message
    assert "the disk is full" in message
    assert load_network(on_small_disk / "models" / "model.pt").backbone_name == "tiny"
    assert not [path for path in on_small_disk.rglob("*") if ".part." in path.name]
