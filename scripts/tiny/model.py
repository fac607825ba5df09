"""The network of the tiny backbone, and drawn scenes in the form that it takes."""

from typing import NamedTuple

import numpy as np
import torch
from hints import patch_labels, prompt_labels
from paint import IMAGE_SIZE
from prompts import Prompt, draw_absent_prompt, draw_prompts
from scenes import Scene, draw_scene
from torch import nn
from torch.utils.data import Dataset
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation, CLIPTokenizer

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)

PATCH = 8  # pixels

Item = tuple[Scene, list[Prompt]]


class Batch(NamedTuple):
    """B scenes with K prompts each, as tensors.

    Args:
        images: (B, 3, H, W) uint8, upright RGB.
        ids: (B * K, L) int64, token ids of the prompts.
        masks: (B, K, H, W) bool.
        prompt_labels: (B * K, attributes) int64, what the prompts name.
        patch_labels: (B * patches, attributes) int64, what the patches show.
    """

    images: torch.Tensor
    ids: torch.Tensor
    masks: torch.Tensor
    prompt_labels: torch.Tensor
    patch_labels: torch.Tensor


class SceneData(Dataset):
    """Scenes drawn when they are asked for.

    Args:
        seed: series of the scenes.
        length: number of scenes.
        prompts: number of prompts per scene.
        absent: fraction of the scenes whose last prompt says what is not there.
    """

    def __init__(self, seed: int, length: int, prompts: int, absent: float = 0.0) -> None:
        self.seed, self.length, self.prompts, self.absent = seed, length, prompts, absent

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Item:
        """Scene ``index`` and its prompts."""
        scene, rng = draw_scene(self.seed, index), np.random.default_rng((self.seed, index, 1))
        prompts = draw_prompts(scene, rng, self.prompts)
        if rng.random() < self.absent:
            prompts[-1] = draw_absent_prompt(scene, rng)
        return scene, prompts


class Collate:
    """Make a ``Batch`` of drawn scenes."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        self.tokenizer = tokenizer

    def __call__(self, items: list[Item]) -> Batch:
        """Stack the items of one batch."""
        images = torch.from_numpy(np.stack([scene.image for scene, _ in items])).permute(0, 3, 1, 2)
        pairs = [(scene, prompt) for scene, prompts in items for prompt in prompts]
        texts = [prompt.text for _, prompt in pairs]
        ids = self.tokenizer(texts, padding=True, truncation=True, return_tensors="pt")["input_ids"]
        masks = torch.from_numpy(np.stack([prompt.mask for _, prompt in pairs])).unflatten(0, (len(items), -1))
        named = torch.tensor([prompt_labels(scene, prompt) for scene, prompt in pairs])
        shown = torch.from_numpy(np.concatenate([patch_labels(scene, PATCH) for scene, _ in items], axis=1).T)
        return Batch(images, ids, masks, named, shown)


def make_model(tokenizer: CLIPTokenizer) -> CLIPSegForImageSegmentation:
    """Build the untrained network."""
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    layers = {"num_hidden_layers": 6, "num_attention_heads": 2}
    config = CLIPSegConfig(
        text_config={"vocab_size": len(tokenizer), "hidden_size": 96, "intermediate_size": 256, **layers, **special},
        vision_config={
            "image_size": IMAGE_SIZE,
            "patch_size": PATCH,
            "hidden_size": 128,
            "intermediate_size": 512,
            **layers,
        },
        projection_dim=96,
        reduce_dim=64,
        extract_layers=[1, 3, 5],
        decoder_num_attention_heads=2,
        decoder_intermediate_size=256,
        attn_implementation="eager",  # with bfloat16 on a CPU twice as fast as the fused kernel
    )
    model = CLIPSegForImageSegmentation(config)
    # HuggingFace draws these with deviation 1: sigmoids saturate, and the network learns to ignore the text.
    for module in model.decoder.modules():
        if isinstance(module, nn.Linear | nn.ConvTranspose2d | nn.LayerNorm):
            module.reset_parameters()
    nn.init.ones_(model.decoder.film_mul.bias)
    return model


class Output(NamedTuple):
    """What ``run`` computes.

    Args:
        logits: (B, K, H, W) float32.
        patches: (B * patches, D) features of the last vision layer, without the class token.
        embedding: (B * K, P) projected text features.
    """

    logits: torch.Tensor
    patches: torch.Tensor
    embedding: torch.Tensor


def run(model: CLIPSegForImageSegmentation, images: torch.Tensor, ids: torch.Tensor) -> Output:
    """Encode (B, 3, H, W) uint8 images once and decode them for (B * K, L) token ids."""
    count = len(ids) // len(images)
    pixels = (images / 255 - MEAN.to(images.device)) / STD.to(images.device)
    hidden = model.clip.vision_model(pixels, output_hidden_states=True).hidden_states
    features = [hidden[i + 1].repeat_interleave(count, 0) for i in model.extract_layers]
    embedding = model.clip.text_projection(model.clip.text_model(ids).pooler_output)
    logits = model.decoder(features, embedding).logits.float().unflatten(0, (len(images), count))
    return Output(logits, hidden[-1][:, 1:].flatten(0, 1), embedding)
