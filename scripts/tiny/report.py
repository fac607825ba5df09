"""How well the tiny backbone follows text on scenes that it never saw."""

import textwrap
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from model import Collate, Item, SceneData, run
from paint import IMAGE_SIZE, LOOKS
from PIL import Image, ImageDraw
from prompts import Prompt, draw_absent_prompt, draw_prompts
from scenes import Scene, draw_scene
from tqdm import tqdm
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

HELD_OUT = 1_000_003  # added to the seed: the series of scenes that are never trained on


def dice(prediction: np.ndarray, mask: np.ndarray) -> float:
    """Dice of a bool prediction and a bool mask that is not empty."""
    return float(2 * (prediction & mask).sum() / (prediction.sum() + mask.sum()))


@torch.inference_mode()
def evaluate(
    model: CLIPSegForImageSegmentation, tokenizer: CLIPTokenizer, seed: int, scenes: int, device: torch.device
) -> dict[str, dict[str, list[float]]]:
    """Dice values on held-out scenes as {group: {"right": [...], "wrong": [...]}}.

    "right" compares the prediction for a prompt with its own mask, "wrong" with the mask of another prompt of the scene
    that has no pixel in common with it. Groups are all, each look and each kind of prompt; the group "no ..." has
    prompts that say what is not in the scene: 1 if the prediction is empty, else 0.
    """
    model.eval()
    data, collate = SceneData(seed + HELD_OUT, scenes, 6), Collate(tokenizer)
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: {"right": [], "wrong": []})
    for start in tqdm(range(0, scenes, 32), desc="held-out", unit="batch"):
        items = [_with_absent(*data[i], i) for i in range(start, min(start + 32, scenes))]
        batch = collate(items)
        found = (run(model, batch.images.to(device), batch.ids.to(device)).logits > 0).cpu().numpy()
        for (scene, prompts), predictions in zip(items, found, strict=True):
            values["no ..."]["right"].append(float(not predictions[-1].any()))
            for column, prompt, value in _compare(prompts[:-1], predictions[:-1]):
                for group in ("all", f"look: {scene.look}", f"prompt: {', '.join(prompt.kind)}"):
                    values[group][column].append(value)
    return values


def _with_absent(scene: Scene, prompts: list[Prompt], index: int) -> Item:
    """Add a prompt for what is not there."""
    return scene, [*prompts, draw_absent_prompt(scene, np.random.default_rng(index))]


def _compare(prompts: list[Prompt], predictions: np.ndarray) -> Iterator[tuple[str, Prompt, float]]:
    """Yield ("right" or "wrong", prompt, Dice) for the predictions (K, H, W) of one scene."""
    for prompt, prediction in zip(prompts, predictions, strict=True):
        yield "right", prompt, dice(prediction, prompt.mask)
        for other in prompts:
            if not (other.mask & prompt.mask).any():
                yield "wrong", prompt, dice(prediction, other.mask)


def table(values: dict[str, dict[str, list[float]]]) -> str:
    """Markdown table with one row per group of ``evaluate``."""
    lines = ["| group | Dice, right prompt | n | Dice, wrong prompt | n |", "|---|---|---|---|---|"]
    for group in sorted(values):
        cells = [f"{np.mean(found):.3f} | {len(found)}" if found else " | " for found in values[group].values()]
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return "\n".join(lines)


@torch.inference_mode()
def draw_picture(
    model: CLIPSegForImageSegmentation, tokenizer: CLIPTokenizer, seed: int, path: Path, device: torch.device
) -> None:
    """Write a PNG: a row per look with two scenes, each beside its predictions for prompts of two of its objects."""
    side, line = 3 * IMAGE_SIZE // 2, 42  # screen pixels
    sheet = Image.new("RGB", (6 * (side + 6), len(LOOKS) * (side + line)), "white")
    for i in range(2 * len(LOOKS)):
        scene = draw_scene(seed + HELD_OUT, 10**6 + i, LOOKS[i // 2])
        prompts = draw_prompts(scene, np.random.default_rng((seed, i)), 2)
        batch = Collate(tokenizer)([(scene, prompts)])
        found = (run(model, batch.images.to(device), batch.ids.to(device)).logits[0] > 0).cpu().numpy()
        image = scene.image & 0xF8  # without the lowest bits, which are noise, the file is half as big
        tiles = [image, *(np.where(mask[..., None], image, image // 5) for mask in found)]
        texts = ["", *(textwrap.fill(prompt.text, 25) for prompt in prompts)]
        for j, (text, tile) in enumerate(zip(texts, tiles, strict=True)):
            x, y = (i % 2 * 3 + j) * (side + 6), i // 2 * (side + line)
            sheet.paste(Image.fromarray(tile).resize((side, side), Image.Resampling.NEAREST), (x, y + line))
            ImageDraw.Draw(sheet).text((x, y), text, fill="black", spacing=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, optimize=True)
