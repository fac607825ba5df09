"""A bundle with adapters that change what the network says, and its export."""

from __future__ import annotations

from pathlib import Path

import torch
from bundle.trained import write_trained
from calibration.documents import DOCUMENT, give_calibration
from filelock import FileLock
from golden.make_golden import small_config, small_model
from transformers import CLIPTokenizer

from monai_vlsm.exporting import export_bundle
from monai_vlsm.networks import Backbone, CLIPSegDenseAdapter, load_tokenizer
from monai_vlsm.networks.nets.prompted import PromptedNetwork


def make_bundle(folder: Path, network: PromptedNetwork) -> Path:
    """Write a bundle with a network, whose trained tensors get noise: adapters begin as almost nothing."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter += 0.02 * torch.randn(parameter.shape, generator=generator)
    return write_trained("busi", folder, network)


def two_layer_backbone(tokenizer: CLIPTokenizer, image_size: int = 64) -> Backbone:
    """Two layers are enough to find out whether a graph can be recorded, and much faster."""
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    text = {"num_hidden_layers": 2, "vocab_size": len(tokenizer), **ids}
    config = small_config(vision={"num_hidden_layers": 3, "image_size": image_size}, text=text, extract_layers=[0, 1])
    return Backbone("two layers", small_model(config), tokenizer)


def make_exported(folder: Path) -> Path:
    """Return a folder with ``backbone``, ``busi`` and ``onnx``, which other processes may be making, too."""
    with FileLock(f"{folder}.lock"):
        if not (folder / "onnx").exists():
            size = DOCUMENT["image_size"]
            two_layer_backbone(load_tokenizer("tiny"), size).save(folder / "backbone")
            bundle = make_bundle(folder / "busi", CLIPSegDenseAdapter(str(folder / "backbone")))
            give_calibration(bundle)
            export_bundle(bundle, folder / "onnx", backbone=str(folder / "backbone"))
    return folder
