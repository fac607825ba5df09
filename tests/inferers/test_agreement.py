"""Tests of the scores of cases that the inferer writes into the metadata of its answer."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from monai.data import MetaTensor, decollate_batch, list_data_collate

from monai_vlsm.data.paraphrases import paraphrases
from monai_vlsm.inferers import PromptInferer
from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.networks.text import tokenize
from monai_vlsm.transforms.case_scores import AGREEMENT, MEAN_PROBABILITY
from monai_vlsm.transforms.prompt import PROMPT

PROMPTS = ["cyst", "one small mass"]


@pytest.fixture(scope="module")
def network(reading_backbone):
    """Untrained, and shifted so that about half of the pixels are mask."""
    torch.manual_seed(0)
    network = CLIPSegDenseAdapter(reading_backbone).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.3)
    return network


def image(seed, *shape, prompt=None):
    values = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    return MetaTensor(values, meta={} if prompt is None else {PROMPT: prompt})


@pytest.fixture
def batch():
    return list_data_collate([{"image": image(i, 1, 40, 24, prompt=prompt)} for i, prompt in enumerate(PROMPTS)])[
        "image"
    ]


def expected_agreement(network, picture, prompt, count):
    """Ask for each wording by itself, at the size of the network, with MONAI's Dice."""
    from monai.metrics import compute_dice

    inferer = PromptInferer(image_size=64)
    texts = [prompt, *paraphrases(prompt, count)]
    # An image of the network's size is answered without resizing.
    masks = [inferer(MetaTensor(picture, meta={PROMPT: [text]}), network)[:, :1] >= 0 for text in texts]
    pairs = [compute_dice(a, b, ignore_empty=False) for i, a in enumerate(masks) for b in masks[:i]]
    return float(torch.stack(pairs).mean())


def test_agreement_equals_that_of_masks_made_one_by_one(network):
    picture = image(3, 1, 3, 64, 64).as_tensor()
    answer = PromptInferer(image_size=64, paraphrases=4)(MetaTensor(picture, meta={PROMPT: ["cyst"]}), network)
    found = answer.meta[AGREEMENT]
    assert 0 < found < 1, "the masks must differ, else this test says nothing"
    torch.testing.assert_close(float(found), expected_agreement(network, picture, "cyst", 4), rtol=0, atol=1e-6)


def test_the_answer_is_the_same_with_and_without(network, batch):
    plain = PromptInferer(image_size=64)(batch, network)
    scored = PromptInferer(image_size=64, paraphrases=4)(batch, network)
    torch.testing.assert_close(scored.as_tensor(), plain.as_tensor(), rtol=0, atol=0)
    assert AGREEMENT not in plain.meta
    assert MEAN_PROBABILITY not in plain.meta


def test_an_image_is_encoded_once(network, batch, monkeypatch):
    calls = []
    encode = type(network).encode_image
    monkeypatch.setattr(type(network), "encode_image", lambda self, *a: (calls.append(1), encode(self, *a))[1])
    PromptInferer(image_size=64, paraphrases=8)(batch, network)
    assert len(calls) == len(batch)


def test_each_image_of_a_batch_has_its_own_scores(network, batch):
    inferer = PromptInferer(image_size=64, paraphrases=4)
    alone = [
        inferer(MetaTensor(item[None], meta={PROMPT: [p]}), network) for item, p in zip(batch, PROMPTS, strict=True)
    ]
    items = decollate_batch({"pred": inferer(batch, network)})
    for name in (AGREEMENT, MEAN_PROBABILITY):
        scores = [float(item["pred"].meta[name]) for item in items]
        assert scores == [float(answer.meta[name]) for answer in alone]
        assert len(set(scores)) == len(batch)


def test_threads_get_their_own_scores(network):
    inferer = PromptInferer(image_size=64, paraphrases=2)

    def ask(seed):
        answer = inferer(MetaTensor(image(seed, 1, 1, 32, 32), meta={PROMPT: [PROMPTS[seed % 2]]}), network)
        return float(answer.meta[AGREEMENT]), float(answer.meta[MEAN_PROBABILITY])

    alone = [ask(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == alone


def test_the_slices_of_a_volume_give_one_score_however_they_are_split(network):
    volume = MetaTensor(image(5, 1, 1, 24, 24, 5), meta={PROMPT: ["cyst"]})
    whole, split = (PromptInferer(image_size=64, batch_size=n, paraphrases=2)(volume, network) for n in (5, 2))
    assert whole.meta[AGREEMENT].shape == (1,)
    torch.testing.assert_close(whole.meta[AGREEMENT], split.meta[AGREEMENT])


@pytest.mark.parametrize("count", [0, 3])
def test_a_prompt_in_tokens_has_no_wordings_and_no_agreement(network, count):
    tokens = tokenize(network.tokenizer, ["cyst"])
    answer = PromptInferer(image_size=64, paraphrases=count)(image(1, 1, 1, 32, 32), network, **tokens)
    assert answer.meta[AGREEMENT].isnan().all()
    assert 0 < answer.meta[MEAN_PROBABILITY] <= 1


def test_any_other_network_is_asked_for_every_wording(network):
    class Other(torch.nn.Module):
        image_size, tokenizer = 64, network.tokenizer

        def forward(self, *inputs):
            return network(*inputs)

    picture = MetaTensor(image(3, 1, 1, 32, 32), meta={PROMPT: ["cyst"]})
    own, other = (PromptInferer(paraphrases=2, image_size=64)(picture, net) for net in (network, Other()))
    torch.testing.assert_close(own.meta[AGREEMENT], other.meta[AGREEMENT])
