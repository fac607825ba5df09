import copy

import pytest
import torch
from golden.make_golden import small_config, small_model
from monai.data import MetaTensor
from torch import nn

from monai_vlsm.errors import DataError
from monai_vlsm.networks import (
    Backbone,
    CLIPSegDenseAdapter,
    CLIPSegFineTune,
    CLIPSegShallowAdapter,
    adapter_state_dict,
)
from monai_vlsm.networks.nets import ImageFeatures

ADAPTED = ["dense", "shallow"]
ALL = [*ADAPTED, "zero_shot", "decoder", "full"]


@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize("kind", ALL)
def test_logits_are_float32_of_one_channel_at_every_batch_size(make_network, batch, kind, batch_size):
    logits = make_network(kind)(**{name: tensor[:batch_size] for name, tensor in batch.items()})
    assert (logits.shape, logits.dtype) == ((batch_size, 1, 64, 64), torch.float32)


@pytest.mark.parametrize("kind", ADAPTED)
def test_logits_are_float32_in_mixed_precision(make_network, batch, kind):
    network = make_network(kind)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert network(**batch).dtype == torch.float32


@pytest.mark.parametrize("kind", ALL)
def test_a_batch_gives_what_its_items_give_alone(make_network, batch, kind):
    network = make_network(kind)
    alone = [network(**{name: tensor[i : i + 1] for name, tensor in batch.items()}) for i in range(2)]
    torch.testing.assert_close(network(**batch), torch.cat(alone), rtol=0, atol=1e-4)


@pytest.mark.parametrize(("height", "width"), [(64, 96), (96, 64), (16, 128), (96, 96)])
@pytest.mark.parametrize("kind", ADAPTED)
def test_logits_have_the_size_of_any_image(make_network, kind, height, width):
    assert make_network(kind)(torch.randn(1, 3, height, width)).shape == (1, 1, height, width)


@pytest.mark.parametrize("grid", [(3, 4), (4, 3), (12, 1), (1, 12)])
def test_each_patch_lands_where_it_came_from(grid):
    """The simple upsampling maps patches one by one: patch k of any grid holds the same logits, row by row."""
    config = small_config(use_complex_transposed_convolution=False)
    network = CLIPSegFineTune(Backbone("simple", small_model(config)))
    torch.manual_seed(0)
    states, embedding = tuple(torch.randn(3, 1, 13, 32)), torch.randn(1, 24)

    def patches(rows, columns):
        logits = network.decode(ImageFeatures(states, (rows, columns)), embedding)
        return logits.unflatten(3, (columns, 16)).unflatten(2, (rows, 16)).permute(2, 4, 3, 5, 0, 1).flatten(0, 1)

    expected = patches(2, 6).flatten(1)
    torch.testing.assert_close(patches(*grid).flatten(1), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(63, 64), (64, 72), (8, 8)])
def test_image_that_does_not_divide_into_patches_is_refused(make_network, height, width):
    with pytest.raises(DataError, match=f"multiples of 16 pixels, not {height} x {width}"):
        make_network("dense")(torch.randn(1, 3, height, width))


def test_meta_tensor_gives_what_a_tensor_gives(make_network, batch):
    network = make_network("dense")
    expected = network(**batch)
    assert torch.equal(network(**{**batch, "image": MetaTensor(batch["image"])}), expected)


@pytest.mark.parametrize("kind", ALL)
def test_forward_is_the_composition_of_its_parts(make_network, batch, kind):
    network = make_network(kind)
    features = network.encode_image(batch["image"])
    embedding = network.encode_text(batch["input_ids"], batch["attention_mask"])
    assert torch.equal(network.decode(features, embedding), network(**batch))


@pytest.mark.parametrize("kind", ADAPTED)
def test_one_image_is_decoded_for_many_prompts(make_network, batch, kind):
    network = make_network(kind)
    image, prompts = batch.pop("image")[:1], batch
    together = network.decode(network.encode_image(image), network.encode_text(**prompts))
    alone = [network(image, prompts["input_ids"][[k]], prompts["attention_mask"][[k]]) for k in range(2)]
    assert (together[0] - together[1]).abs().max() > 1e-2, "the prompt does nothing: the test cannot fail"
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ADAPTED)
def test_one_prompt_serves_all_images(make_network, batch, kind):
    network = make_network(kind)
    ids, mask = batch["input_ids"][:1], batch["attention_mask"][:1]
    expected = network(batch["image"], ids.expand(2, -1), mask.expand(2, -1))
    torch.testing.assert_close(network(batch["image"], ids, mask), expected, rtol=0, atol=1e-5)


def test_missing_attention_mask_means_no_padding(make_network, batch):
    network = make_network("dense")
    expected = network.encode_text(batch["input_ids"], torch.ones_like(batch["input_ids"]))
    assert torch.equal(network.encode_text(batch["input_ids"]), expected)


@pytest.mark.parametrize("kind", ALL)
def test_vision_layers_that_nobody_reads_are_not_run(make_network, small_backbone, batch, kind):
    network = make_network(kind)
    run = []
    for layer in network.backbone.clip.vision_model.encoder.layers:
        layer.register_forward_hook(lambda *args: run.append(1))
    network(**batch)
    assert len(run) == 4 < small_backbone.model.config.vision_config.num_hidden_layers


@pytest.mark.parametrize("kind", ADAPTED)
def test_parts_that_nobody_reads_are_not_built(make_network, kind):
    clip = make_network(kind).backbone.clip
    unread = (clip.vision_model.post_layernorm, clip.visual_projection, clip.vision_model.encoder.layers[4:])
    assert [list(part.parameters()) for part in unread] == [[], [], []]


@pytest.mark.parametrize("size", [64, 96])
def test_image_features_equal_the_whole_transformers_model(make_network, small_backbone, size):
    image = torch.randn(2, 3, size, size)
    whole = small_backbone.model.clip.vision_model(image, output_hidden_states=True)
    expected = tuple(whole.hidden_states[index + 1] for index in (1, 2, 3))
    torch.testing.assert_close(make_network("zero_shot").encode_image(image).states, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("complex_upsampling", [True, False])
@pytest.mark.parametrize("conditional_layer", [0, 1])
def test_decoder_equals_transformers_on_squares(complex_upsampling, conditional_layer):
    config = small_config(use_complex_transposed_convolution=complex_upsampling, conditional_layer=conditional_layer)
    backbone = Backbone("decoder", small_model(config))
    torch.manual_seed(0)
    states, embedding = tuple(torch.randn(3, 2, 17, 32)), torch.randn(2, 24)
    expected = backbone.model.decoder(states, embedding).logits[:, None]
    logits = CLIPSegFineTune(backbone).decode(ImageFeatures(states, (4, 4)), embedding)
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-5)


def test_zero_shot_equals_the_whole_transformers_model(make_network, small_backbone, batch):
    expected = small_backbone.model(
        pixel_values=batch["image"], input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]
    ).logits[:, None]
    torch.testing.assert_close(make_network("zero_shot")(**batch), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("end_of_text_id", [63, 2])
@pytest.mark.parametrize("padding_is_masked", [True, False])
def test_cut_prompts_give_what_padded_ones_give(end_of_text_id, padding_is_masked, batch):
    """With ``eos_token_id: 2`` the highest id ends the text, as in the configurations of 2022."""
    backbone = Backbone("text", small_model(small_config(text={"eos_token_id": end_of_text_id})))
    ids = nn.functional.pad(batch["input_ids"][[0, 1, 0]], (0, 69), value=63)
    mask = nn.functional.pad(batch["attention_mask"][[0, 1, 0]], (0, 69)) if padding_is_masked else None
    clip = backbone.model.clip
    expected = clip.text_projection(clip.text_model(ids, mask).pooler_output)
    torch.testing.assert_close(CLIPSegFineTune(backbone).encode_text(ids, mask), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("kind", "seen"), [("dense", [(2, 6)]), ("shallow", [(1, 3), (1, 6)])])
def test_text_encoder_sees_equal_prompts_once_and_no_token_behind_the_longest(make_network, batch, kind, seen):
    """One that is frozen sees them alone, see test_kept_texts.py."""
    network = make_network(kind)
    shapes = []
    network.backbone.clip.text_model.register_forward_pre_hook(lambda module, args: shapes.append(args[0].shape))
    network.encode_text(batch["input_ids"][[0, 1, 0, 0]], batch["attention_mask"][[0, 1, 0, 0]])
    assert sorted(shapes) == seen


def test_equal_prompts_that_differ_in_their_mask_stay_apart(make_network, batch):
    ids = batch["input_ids"][[0, 0]]
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 0, 0], [1, 1, 0, 1, 1, 1, 0, 0]])
    first, second = make_network("dense").encode_text(ids, mask)
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ADAPTED)
def test_default_prompt_is_used_without_tokens(make_network, reading_backbone, tokenizer, kind):
    network = make_network(kind, reading_backbone, prompt="large polyp")
    image = torch.randn(1, 3, 64, 64)
    tokens = tokenizer("large polyp", return_tensors="pt")
    torch.testing.assert_close(
        network(image), network(image, tokens["input_ids"], tokens["attention_mask"]), rtol=0, atol=1e-5
    )


def test_another_default_prompt_gives_other_logits(make_network, reading_backbone):
    image = torch.randn(1, 3, 64, 64)
    first, second = (make_network("dense", reading_backbone, prompt=text)(image) for text in ("polyp", "a green cyst"))
    assert (first - second).abs().max() > 1e-3


def test_default_prompt_sits_in_the_state_dict(make_network, reading_backbone, tokenizer):
    state = make_network("dense", reading_backbone, prompt="large polyp").state_dict()
    ids, mask = state["default_input_ids"], state["default_attention_mask"]
    assert ids[mask.bool()].tolist() == tokenizer("large polyp")["input_ids"]


def test_default_prompt_needs_a_tokenizer(small_backbone):
    with pytest.raises(DataError, match="'small' has no tokenizer for the prompt 'polyp'"):
        CLIPSegDenseAdapter(small_backbone, prompt="polyp")


@pytest.mark.parametrize("kind", ADAPTED)
@pytest.mark.parametrize("changed", ["copy", "original"])
def test_copy_has_adapters_of_its_own(make_network, batch, kind, changed):
    network = make_network(kind)
    before = network(**batch)
    other = copy.deepcopy(network)
    with torch.no_grad():
        for tensor in adapter_state_dict(other if changed == "copy" else network).values():
            tensor.add_(0.5)
    kept, moved = (network, other) if changed == "copy" else (other, network)
    assert torch.equal(kept(**batch), before)
    assert (moved(**batch) - before).abs().max() > 1e-2


def test_unknown_mode_is_refused(small_backbone):
    with pytest.raises(DataError, match="'zero_shot', 'decoder' or 'full', not 'all'"):
        CLIPSegFineTune(small_backbone, mode="all")


@pytest.mark.parametrize("change", [{"projection_dim": 40}, {"text": {"num_hidden_layers": 3}}])
def test_shallow_text_adapters_are_refused_where_they_do_not_fit(change):
    backbone = Backbone("other", small_model(small_config(**change)))
    with pytest.raises(DataError, match="choose adapt_text=False or CLIPSegDenseAdapter"):
        CLIPSegShallowAdapter(backbone, bottleneck=2)


def test_dense_adapters_all_take_part_in_a_short_text_encoder(make_network, batch):
    network = make_network("dense", Backbone("short", small_model(small_config(text={"num_hidden_layers": 2}))))
    network(**batch).mean().backward()
    assert {name for name, p in network.named_parameters() if p.requires_grad and p.grad is None} == set()
