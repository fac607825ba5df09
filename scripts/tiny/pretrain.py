"""Pretrain the tiny backbone: a small CLIPSeg that follows text, on procedurally drawn scenes."""

import argparse
import math
import os
import shutil
import tempfile
import time
from pathlib import Path

import torch
from hints import AttributeHeads
from model import Batch, Collate, SceneData, make_model, run
from report import draw_picture, evaluate, table
from tokenizer import write_tokenizer
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader
from tqdm import tqdm
from transformers import CLIPSegForImageSegmentation, CLIPTokenizer

DEFAULT_OUT = Path(__file__).resolve().parents[2] / "monai_vlsm" / "networks" / "tiny"


class Objective(nn.Module):
    """Loss of one batch: masks, and the attributes that each encoder has to tell."""

    def __init__(self, model: CLIPSegForImageSegmentation, hint_weight: float) -> None:
        super().__init__()
        self.model, self.hint_weight = model, hint_weight
        self.text_heads = AttributeHeads(model.config.projection_dim)
        self.vision_heads = AttributeHeads(model.config.vision_config.hidden_size)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Loss of the masks and weighted loss of the attributes, as a tensor of two."""
        output = run(self.model, batch.images, batch.ids)
        hints = self.text_heads(output.embedding, batch.prompt_labels)
        hints = hints + self.vision_heads(output.patches, batch.patch_labels)
        return torch.stack([mask_loss(output.logits, batch.masks.float()), self.hint_weight * hints])


def mask_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Cross entropy and soft Dice loss of (B, K, H, W) logits, mean over the prompts."""
    probability = logits.sigmoid()
    overlap = 2 * (probability * target).sum((2, 3)) + 1
    dice = 1 - overlap / (probability.sum((2, 3)) + target.sum((2, 3)) + 1)
    return F.binary_cross_entropy_with_logits(logits, target) + dice.mean()


def train(objective: Objective, data: DataLoader, rate: float, device: torch.device) -> None:
    """Train on every batch of ``data`` once: AdamW, warm-up, then a cosine down to zero."""
    decayed = [p for p in objective.parameters() if p.ndim > 1]
    others = [p for p in objective.parameters() if p.ndim <= 1]
    groups = [{"params": decayed, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)
    steps, warm_up = len(data), max(1, min(200, len(data) // 10))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warm_up, 0.5 + 0.5 * math.cos(math.pi * step / steps))
    )
    objective.train()
    bar = tqdm(data, desc="training", unit="step")
    smooth = None
    for batch in bar:
        with torch.autocast(device.type, torch.bfloat16):
            losses = objective(Batch(*(tensor.to(device) for tensor in batch)))
        optimizer.zero_grad()
        losses.sum().backward()
        nn.utils.clip_grad_norm_(objective.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        smooth = losses.detach() if smooth is None else 0.98 * smooth + 0.02 * losses.detach()
        bar.set_postfix(masks=f"{smooth[0]:.4f}", hints=f"{smooth[1]:.4f}")


def pretrain(arguments: argparse.Namespace, device: torch.device) -> None:
    """Train from nothing, or from the weights in ``arguments.start``, and put the result into ``arguments.out``."""
    torch.manual_seed(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        write_tokenizer(Path(folder))
        tokenizer = CLIPTokenizer.from_pretrained(folder)
    if arguments.start:
        model = CLIPSegForImageSegmentation.from_pretrained(arguments.start, dtype=torch.float32)
        model.set_attn_implementation("eager")
    else:
        model = make_model(tokenizer)
    scenes = SceneData(arguments.seed, arguments.steps * arguments.batch_size, arguments.prompts, arguments.absent)
    data = DataLoader(scenes, arguments.batch_size, collate_fn=Collate(tokenizer), num_workers=arguments.workers)
    train(Objective(model, arguments.hint_weight).to(device), data, arguments.learning_rate, device)
    save(model, arguments.out)


def save(model: CLIPSegForImageSegmentation, out: Path) -> None:
    """Write the weights as float16 and the tokenizer files, all at once."""
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".tiny-") as parent:
        folder = Path(parent) / "new"
        folder.mkdir()
        write_tokenizer(folder)
        model.to(torch.float16).save_pretrained(folder)
        (folder / "model.safetensors").chmod(0o644)  # safetensors makes it readable for its owner only
        replace_folder(folder, out)


def replace_folder(new: Path, out: Path) -> None:
    """Move folder ``new`` to ``out``, so that nobody ever reads a half-written one."""
    old = new.with_name("old")
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def parse_arguments(command_line: list[str] | None = None) -> argparse.Namespace:
    """Read ``command_line``, by default that of the process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="folder of the weights and the tokenizer")
    parser.add_argument("--start", type=Path, help="folder of weights to go on from; give another seed for new scenes")
    parser.add_argument("--seed", type=int, default=0, help="decides the initial weights and the scenes")
    parser.add_argument("--steps", type=int, default=9000, help="number of batches to train on")
    parser.add_argument("--batch-size", type=int, default=16, help="scenes in a batch")
    parser.add_argument("--prompts", type=int, default=4, help="prompts per scene; the image is encoded once for all")
    parser.add_argument(
        "--absent", type=float, default=0.15, help="fraction of scenes with a prompt such as 'no circle'"
    )
    parser.add_argument("--learning-rate", type=float, default=1.5e-3, help="highest rate, after the warm-up")
    parser.add_argument(
        "--hint-weight", type=float, default=0.5, help="weight of the attribute losses of both encoders"
    )
    parser.add_argument("--workers", type=int, default=1, help="processes that draw scenes")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu or cuda")
    parser.add_argument("--check", action="store_true", help="only evaluate the weights that are in --out")
    parser.add_argument("--scenes", type=int, default=512, help="held-out scenes to evaluate on")
    parser.add_argument("--picture", type=Path, help="PNG file for a sheet of held-out scenes with predictions")
    return parser.parse_args(command_line)


def main() -> None:
    """Train unless told not to, then print a table of held-out numbers."""
    arguments = parse_arguments()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # the workers are forked after the tokenizer is made
    name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name if arguments.device == "auto" else arguments.device)
    start = time.monotonic()
    if not arguments.check:
        pretrain(arguments, device)
        print(f"{arguments.steps} steps in {time.monotonic() - start:.0f} s -> {arguments.out}")
    # What is measured is what was written, float16 rounding included.
    model = CLIPSegForImageSegmentation.from_pretrained(arguments.out, dtype=torch.float32).to(device)
    tokenizer = CLIPTokenizer.from_pretrained(arguments.out)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")
    print(table(evaluate(model, tokenizer, arguments.seed, arguments.scenes, device)))
    if arguments.picture:
        draw_picture(model, tokenizer, arguments.seed, arguments.picture, device)


if __name__ == "__main__":
    main()
