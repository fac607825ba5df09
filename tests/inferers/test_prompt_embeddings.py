"""A prompt is encoded once, and anew after the network was changed."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from monai.data import DataLoader
from monai.engines import PrepareBatchExtraInput, SupervisedEvaluator
from torch import nn

from monai_vlsm.inferers import PromptInferer, prompt_embeddings
from monai_vlsm.inferers.prompt_embeddings import PromptEmbeddings
from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.networks.text import tokenize
from monai_vlsm.predictor import Predictor


@pytest.fixture
def network(reading_backbone):
    """A small network whose adapters do something to the text, and which counts what it encodes."""
    torch.manual_seed(0)
    network = CLIPSegDenseAdapter(reading_backbone, bottleneck=4, prompt="mass", precision="float32")
    for parameter in network.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.1)
    network.encoded = []
    network.backbone.clip.text_model.register_forward_hook(
        lambda module, args, output: network.encoded.append(len(args[0]))
    )
    return network.eval()


@pytest.fixture
def embeddings():
    kept = PromptEmbeddings()
    return lambda network, prompt: kept.of_all(network, [prompt])[0]


def encoded_now(network, prompt):
    """Return the embedding of a prompt without any lookup."""
    return network.encode_text(**tokenize(network.tokenizer, prompt))


def images(number):
    return torch.rand((number, 1, 50, 40), generator=torch.Generator().manual_seed(0))


# Once


def test_an_inferer_encodes_a_prompt_once_for_all_calls(network):
    inferer = PromptInferer("cyst", image_size=64)
    for _ in range(3):
        inferer(images(2), network)
    assert network.encoded == [1]


def test_an_inferer_encodes_equal_tokens_once_and_others_for_themselves(network):
    inferer, tokens = PromptInferer(image_size=64), tokenize(network.tokenizer, ["cyst", "mass", "cyst"])
    logits = [inferer(images(3), network, **tokens) for _ in range(2)]
    assert network.encoded == [1, 1]
    torch.testing.assert_close(*logits, atol=0, rtol=0)


def test_an_inferer_encodes_the_default_prompt_once(network):
    inferer = PromptInferer(image_size=64)
    torch.testing.assert_close(inferer(images(2), network), PromptInferer("mass", image_size=64)(images(2), network))
    assert network.encoded == [1, 1]


def test_a_wrapped_network_encodes_a_prompt_once(network):
    PromptInferer("cyst", image_size=64)(images(3), nn.DataParallel(network))
    assert network.encoded == [1]


def test_an_inferer_says_what_the_network_says(network):
    tokens = tokenize(network.tokenizer, ["cyst", "a bright mass"])
    picture = torch.rand((2, 3, 64, 64), generator=torch.Generator().manual_seed(0))
    found = PromptInferer(image_size=64)(picture, network, **tokens)
    expected = PromptInferer(image_size=64)(picture, Forward(network), **tokens)
    assert torch.equal(found, expected)


class Forward(nn.Module):
    """A network that has nothing but ``forward``."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, image, input_ids, attention_mask):
        return self.network(image, input_ids, attention_mask)


def test_a_predictor_and_its_clones_encode_a_prompt_once_for_many_images(network):
    predictor = Predictor(network, device="cpu", image_size=64)
    for number in range(3):
        predictor.set_image(images(3)[number, 0].numpy()).predict("cyst")
        predictor.clone().set_image(images(3)[number, 0].numpy()).predict("cyst")
    assert network.encoded == [1]


def test_an_evaluation_encodes_every_distinct_prompt_once(network):
    tokens = tokenize(network.tokenizer, ["cyst", "mass", "cyst", "mass", "cyst"])
    entries = [{"image": images(1)[0], **{key: ids[row] for key, ids in tokens.items()}} for row in range(5)]
    SupervisedEvaluator(
        device=torch.device("cpu"),
        val_data_loader=DataLoader(entries, batch_size=1),
        network=network,
        inferer=PromptInferer(image_size=64),
        prepare_batch=PrepareBatchExtraInput({"input_ids": "input_ids", "attention_mask": "attention_mask"}),
    ).run()
    assert network.encoded == [1, 1]


def test_no_more_prompts_are_kept_than_it_says(network, embeddings, monkeypatch):
    monkeypatch.setattr(prompt_embeddings, "KEPT_PROMPTS", 2)
    for prompt in ("cyst", "mass", "lesion", "lesion", "cyst"):
        embeddings(network, prompt)
    assert network.encoded == [1, 1, 1, 1]


# Never of older weights


def train(network):
    network.encode_text(network.default_input_ids).sum().backward()
    torch.optim.AdamW(network.cond_adapter.parameters(), lr=0.1).step()


def load_a_checkpoint(network):
    other = copy.deepcopy(network)
    train(other)
    network.load_state_dict(other.state_dict())


def replace_a_module(network):
    other = copy.deepcopy(network)
    train(other)
    network.cond_adapter = other.cond_adapter


def replace_values(network):
    weight = network.cond_adapter.up.bias
    weight.data = weight.data + 1


def round_there_and_back(network):
    """The values lie where others lay before, as far as the allocator can be brought to it."""
    network.half().float()


CHANGES = (train, load_a_checkpoint, replace_a_module, replace_values, round_there_and_back)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("grad", [torch.no_grad, torch.inference_mode])
def test_a_changed_network_encodes_anew(network, embeddings, change, grad):
    with grad():
        before = embeddings(network, "cyst").clone()
    change(network)
    with grad():
        found, expected = embeddings(network, "cyst"), encoded_now(network, "cyst")
    assert torch.equal(found, expected)
    assert not torch.equal(found, before)


@pytest.mark.parametrize("move", [lambda network: network.double(), lambda network: network.set_precision("bfloat16")])
def test_a_network_in_another_precision_encodes_anew(network, embeddings, move):
    before = embeddings(network, "cyst")
    move(network)
    found, expected = embeddings(network, "cyst"), encoded_now(network, "cyst")
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)
    assert not torch.equal(found.double(), before.double())


def test_another_default_prompt_is_encoded_anew(network, embeddings):
    embeddings(network, None)
    network.default_input_ids.copy_(tokenize(network.tokenizer, "cyst")["input_ids"])
    assert torch.equal(embeddings(network, None), encoded_now(network, "cyst"))


def test_another_network_does_not_get_the_embeddings_of_the_first(network, embeddings):
    other = copy.deepcopy(network)
    train(other)
    first, second = embeddings(network, "cyst"), embeddings(other, "cyst")
    assert torch.equal(second, encoded_now(other, "cyst"))
    assert not torch.equal(first, second)


def test_a_network_without_versions_is_encoded_every_time(embeddings, reading_backbone):
    with torch.inference_mode():
        network = CLIPSegDenseAdapter(reading_backbone, bottleneck=4)
        embeddings(network, "cyst")
        network.cond_adapter.up.bias.add_(1)
        assert torch.equal(embeddings(network, "cyst"), encoded_now(network, "cyst"))


def test_what_is_encoded_while_somebody_writes_is_not_used_again(network, embeddings, monkeypatch):
    encode = network.encode_text

    def interrupted(*tokens):
        embedding = encode(*tokens)
        network.cond_adapter.up.bias.detach().add_(1)
        return embedding

    monkeypatch.setattr(network, "encode_text", interrupted)
    embeddings(network, "cyst")
    monkeypatch.setattr(network, "encode_text", encode)
    assert torch.equal(embeddings(network, "cyst"), encode(**tokenize(network.tokenizer, "cyst")))


def test_threads_share_embeddings(network, embeddings):
    prompts = ["cyst", "mass", "a bright mass"]
    with torch.no_grad():
        expected = [encoded_now(network, prompt) for prompt in prompts]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda prompt: embeddings(network, prompt).detach(), prompts * 20))
    for embedding, right in zip(found, expected * 20, strict=True):
        torch.testing.assert_close(embedding, right, atol=1e-6, rtol=1e-6)


def test_a_module_put_in_the_place_of_another_is_noticed(network, embeddings):
    before = embeddings(network, "cyst")
    projection = network.backbone.clip.text_projection
    network.backbone.clip.text_projection = nn.Linear(projection.in_features, projection.out_features, bias=False)
    after = embeddings(network, "cyst")
    network.backbone.clip.text_projection = projection  # other tests share it
    assert not torch.allclose(before, after)
