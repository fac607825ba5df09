"""What a frozen text encoder makes of a prompt is computed once, and anew where it may differ."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch

from monai_vlsm.networks import METHODS, build_network
from monai_vlsm.networks.blocks import texts
from monai_vlsm.networks.nets import image_only

FROZEN = ["shallow", "decoder", "zero_shot", "vpt", "lora"]
TRAINED = ["dense", "telescopic", "coop", "maple", "full"]


def read_by(network) -> list:
    """Return a list that grows with every call of the text encoder."""
    seen: list = []
    network.backbone.clip.text_model.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape))
    return seen


def embed(network, batch, rows=slice(None)) -> torch.Tensor:
    return network.encode_text(batch["input_ids"][rows], batch["attention_mask"][rows])


def times_read(batch, method: str, **options) -> int:
    """Return how often the text encoder runs in two calls with one prompt."""
    network = build_network(method, "tiny", **options).train()
    seen = read_by(network)
    embed(network, batch, [0])
    embed(network, batch, [0])
    return len(seen)


@pytest.mark.parametrize("method", FROZEN)
def test_a_prompt_is_read_once_where_the_text_encoder_stays_as_it_is(method, batch):
    assert times_read(batch, method) == 1


@pytest.mark.parametrize("method", TRAINED)
def test_it_is_read_every_time_where_the_text_encoder_changes(method, batch):
    assert times_read(batch, method) == 2


@pytest.mark.parametrize(("method", "adapt_text", "times"), [("lora", True, 2), ("dense", False, 1)])
def test_what_the_settings_say_of_the_text_counts(method, adapt_text, times, batch):
    assert times_read(batch, method, adapt_text=adapt_text) == times


def test_every_method_that_reads_text_is_here():
    assert METHODS.keys() - image_only.ARCHITECTURES == {*FROZEN, *TRAINED}


def test_no_neighbor_in_a_batch_changes_a_value(make_network, batch):
    """So that a training that goes on after an interruption has the same numbers, whatever it read before."""
    alone, together = (embed(make_network("zero_shot"), batch, rows) for rows in ([0], [0, 1]))
    assert torch.equal(alone[0], together[0])


def test_another_precision_reads_anew(make_network, batch):
    network = make_network("shallow")
    seen, expected = read_by(network), embed(network, batch)
    network.set_precision("bfloat16")
    assert not torch.equal(embed(network, batch), expected)
    assert torch.equal(embed(network.set_precision("float32"), batch), expected)
    assert len(seen) == 6


def test_what_was_read_in_the_autocast_of_a_caller_stays_there(make_network, batch):
    network, other = make_network("zero_shot", precision="float32"), make_network("zero_shot", precision="float32")
    with torch.autocast("cpu", torch.bfloat16):
        rounded = embed(network, batch)
    assert rounded.dtype == torch.bfloat16
    assert torch.equal(embed(network, batch), embed(other, batch))


def test_what_was_read_in_inference_mode_can_be_trained_with(make_network, batch):
    network = make_network("shallow")
    with torch.inference_mode():
        embed(network, batch)
    embed(network, batch).sum().backward()
    assert all(adapter.up.weight.grad is not None for adapter in network.text_adapters)


def test_a_copy_that_may_be_trained_by_hand_keeps_nothing(make_network, batch):
    network = make_network("decoder").own_copy()
    before = embed(network, batch)
    with torch.no_grad():
        network.backbone.clip.text_projection.weight.mul_(2)
    torch.testing.assert_close(embed(network, batch), 2 * before)


def test_copies_and_pickles_begin_empty(make_network, batch):
    network = make_network("decoder")
    embed(network, batch)
    assert all(
        other._kept == {} for other in (copy.deepcopy(network)._texts, pickle.loads(pickle.dumps(network._texts)))
    )


def test_a_dropout_of_the_text_encoder_is_drawn_anew(batch):
    network = build_network("decoder", "tiny").train()
    network.backbone.clip.text_model.config.attention_dropout = 0.5
    assert not network.text_is_frozen
    assert network.eval().text_is_frozen


def test_no_more_is_kept_than_there_is_room_for(make_network, batch, monkeypatch):
    monkeypatch.setattr(texts, "_MOST_KEPT", 1)
    network = make_network("decoder")
    assert torch.equal(embed(network, batch), embed(network, batch))
    assert len(network._texts._kept) == 1
