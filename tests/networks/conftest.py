"""Small networks of every kind, and one frozen CLIPSeg of the real size."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from monai_vlsm.networks import Backbone, CLIPSegDenseAdapter, CLIPSegFineTune, CLIPSegShallowAdapter
from monai_vlsm.networks.backbone import TINY_FOLDER

NETWORKS = {
    "dense": partial(CLIPSegDenseAdapter, bottleneck=6, cond_bottleneck=6),
    "shallow": partial(CLIPSegShallowAdapter, bottleneck=6, cond_bottleneck=6),
    "zero_shot": partial(CLIPSegFineTune, mode="zero_shot"),
    "decoder": partial(CLIPSegFineTune, mode="decoder"),
    "full": partial(CLIPSegFineTune, mode="full"),
}


TOKENIZER_FILES = ("vocab.json", "merges.txt", "tokenizer_config.json")


@pytest.fixture(scope="session")
def whole_folder(tmp_path_factory, reading_backbone) -> Path:
    """A backbone folder to read."""
    folder = tmp_path_factory.mktemp("backbones") / "whole"
    reading_backbone.model.save_pretrained(folder)
    for name in TOKENIZER_FILES:
        shutil.copy(TINY_FOLDER / name, folder)
    return folder


@pytest.fixture
def folder(tmp_path, whole_folder) -> Path:
    """A backbone folder that a test may damage."""
    return shutil.copytree(whole_folder, tmp_path / "my_backbone")


@pytest.fixture(scope="session")
def make_network(small_backbone) -> Callable[..., nn.Module]:
    """Build a network by its kind; another ``seed`` gives other adapters."""

    def make(kind: str, backbone: Backbone = small_backbone, seed: int = 0, **options) -> nn.Module:
        torch.manual_seed(seed)
        return NETWORKS[kind](backbone, **options)

    return make


@pytest.fixture(scope="session")
def full_size_backbone() -> Backbone:
    """The architecture of CIDAS/clipseg-rd64-refined, its 600 MB of weights left as the memory was.

    Its 14 x 14 positions are those of CLIP at 224 pixels, as in the published config.json (transformers#34415).
    """
    config = CLIPSegConfig(
        projection_dim=512,
        reduce_dim=64,
        use_complex_transposed_convolution=True,
        vision_config={"image_size": 224, "patch_size": 16},
    )
    with torch.device("meta"):
        model = CLIPSegForImageSegmentation(config)
    return Backbone("full size", model.to_empty(device="cpu"))
