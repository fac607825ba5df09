"""Several prompts on one image, from one encoding of it."""

from __future__ import annotations

import pytest
import torch
from monai.data import MetaTensor

from monai_vlsm.inferers import PromptInferer
from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.transforms.prompt import PROMPT

PROMPTS = ("cyst", "bright object", "tumor")


@pytest.fixture(scope="module")
def network():
    return CLIPSegDenseAdapter("tiny").eval()


@pytest.fixture(params=[(3, 60, 80), (1, 60, 80, 3)], ids=["picture", "volume"])
def image(request):
    values = torch.rand(1, *request.param, generator=torch.Generator().manual_seed(0))
    return MetaTensor(values, affine=torch.diag(torch.tensor([-1.0, -1, 1, 1])))


def test_each_prompt_gets_what_it_gets_alone(network, image):
    inferer = PromptInferer(image_size=64, batch_size=2)
    found = inferer.segment_all(image, network, PROMPTS)
    for logits, prompt in zip(found, PROMPTS, strict=True):
        alone = inferer(MetaTensor(image.clone(), meta={**image.meta, PROMPT: [prompt]}), network)[0]
        torch.testing.assert_close(logits, alone.as_tensor(), rtol=0, atol=0)
    assert not torch.equal(found[0], found[1])


def test_the_image_is_encoded_once(network, image, monkeypatch):
    calls = []
    encode = type(network).encode_image
    monkeypatch.setattr(type(network), "encode_image", lambda self, *a: (calls.append(1), encode(self, *a))[1])
    PromptInferer(image_size=64).segment_all(image, network, PROMPTS)
    assert len(calls) == 1
