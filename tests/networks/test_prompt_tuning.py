"""Contexts among the tokens of CLIPSeg."""

import pytest
import torch
from golden.make_golden import small_config, small_model

from monai_vlsm.data.prompts import MAX_TOKENS
from monai_vlsm.networks import Backbone, build_network
from monai_vlsm.networks.text import tokenize


@pytest.fixture
def tokens(tokenizer):
    return lambda prompt: tuple(tokenize(tokenizer, [prompt]).values())


def test_coop_begins_as_clipseg_asked_for_a_photo_of_it(reading_backbone, tokens):
    coop, plain = (build_network(method, reading_backbone) for method in ("coop", "zero_shot"))
    torch.testing.assert_close(coop.encode_text(*tokens("tumor")), plain.encode_text(*tokens("a photo of a tumor")))
    assert not torch.allclose(coop.encode_text(*tokens("tumor")), plain.encode_text(*tokens("tumor")))


def test_other_numbers_of_contexts_begin_at_random(reading_backbone):
    words = build_network("coop", reading_backbone).text_contexts.vectors[0]
    drawn = build_network("coop", reading_backbone, contexts=3).text_contexts.vectors[0]
    assert drawn.std() < 0.1 * words.std()


@pytest.mark.parametrize("method", ["coop", "maple"])
def test_text_too_long_for_the_contexts_still_ends_in_its_end(reading_backbone, tokens, method):
    network = build_network(method, reading_backbone)
    long = "small round tumor " * 40
    ids, mask = network._with_room(*tokens(long))
    assert ids.shape == mask.shape == (1, MAX_TOKENS)
    assert (ids[0] == reading_backbone.tokenizer.eos_token_id).nonzero().tolist() == [[MAX_TOKENS - 1]]
    assert not torch.equal(network.encode_text(*tokens(long)), network.encode_text(*tokens("small")))


@pytest.mark.parametrize("end", [63, 2])
def test_end_of_a_text_is_found_in_old_and_new_configurations(batch, end):
    backbone = Backbone("small", small_model(small_config(text={"eos_token_id": end})))
    network = build_network("coop", backbone, contexts=2)
    together = network.encode_text(batch["input_ids"], batch["attention_mask"])
    alone = network.encode_text(batch["input_ids"][1:, :3], batch["attention_mask"][1:, :3])
    torch.testing.assert_close(together[1:], alone)


@pytest.mark.parametrize("method", ["coop", "maple"])
def test_padding_and_neighbors_change_no_text(small_backbone, batch, method):
    network = build_network(method, small_backbone, context_depth=2)
    together = network.encode_text(batch["input_ids"], batch["attention_mask"])
    torch.testing.assert_close(together[1:], network.encode_text(batch["input_ids"][1:, :3]))


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 32)])
@pytest.mark.parametrize("method", ["vpt", "maple"])
def test_tokens_behind_the_patches_are_dropped_on_every_grid(small_backbone, batch, method, height, width):
    network = build_network(method, small_backbone)
    assert network(torch.randn(1, 3, height, width), batch["input_ids"][:1]).shape == (1, 1, height, width)


@pytest.mark.parametrize("method", ["coop", "vpt", "maple"])
def test_contexts_of_every_depth_matter(small_backbone, batch, method):
    network = build_network(method, small_backbone, context_depth=build_network(method, small_backbone)._deepest())
    network(**batch).square().mean().backward()
    contexts = network.vision_contexts if method == "vpt" else network.text_contexts
    assert contexts.vectors.grad.abs().sum((1, 2)).all()


@pytest.mark.parametrize(("method", "changed"), [("coop", "text"), ("vpt", "image"), ("maple", "both")])
def test_untouched_side_gives_what_clipseg_gives(small_backbone, batch, method, changed):
    network, plain = build_network(method, small_backbone), build_network("zero_shot", small_backbone)
    text = [net.encode_text(batch["input_ids"], batch["attention_mask"]) for net in (network, plain)]
    image = [net.encode_image(batch["image"]).states[-1][:, :17] for net in (network, plain)]
    assert torch.equal(*text) == (changed == "image")
    assert torch.equal(*image) == (changed == "text")
