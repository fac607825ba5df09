"""Train adapters in a plain PyTorch loop, save them, load them again and measure Dice: ``python train_loop.py``.

Data are the drawn phantom, the backbone is the shipped tiny one; nothing is downloaded and no GPU is needed.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from monai.data import CacheDataset
from monai.losses import DiceCELoss
from monai.metrics import DiceMetric
from torch.utils.data import DataLoader

import monai_vlsm as vlsm
from monai_vlsm.data.phantom import write_phantom

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
parser.add_argument("--dataset-dir", default="data/phantom", help="drawn if it is not there")
parser.add_argument("--method", default="dense", help="what is trained: dense, shallow, decoder or full")
parser.add_argument("--epochs", type=int, default=6)
parser.add_argument("--out", default="adapters.pt", help="file for what was trained")
arguments = parser.parse_args()
if not Path(arguments.dataset_dir).is_dir():
    write_phantom(arguments.dataset_dir)

torch.manual_seed(0)
network = vlsm.build_network(arguments.method, backbone="tiny")
print(f"trainable parameters: {vlsm.trainable_summary(network)}")

# Everything before the choice of a prompt, which is drawn anew in each epoch, is done once and cached.
entries = vlsm.load_datalist(arguments.dataset_dir, "training")
data = CacheDataset(entries, vlsm.training_transform(network), progress=False)
optimizer = torch.optim.AdamW(vlsm.trained_parameters(network), lr=2e-3, weight_decay=1e-3)
criterion = DiceCELoss(sigmoid=True, lambda_dice=1.5)
for epoch in range(arguments.epochs):
    losses = []
    for batch in DataLoader(data, batch_size=16, shuffle=True):
        loss = criterion(network(batch["image"], batch["input_ids"], batch["attention_mask"]), batch["label"])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(f"epoch {epoch + 1}: loss {sum(losses) / len(losses):.3f}")
vlsm.save_adapters(network, arguments.out)

# The file knows method, settings and backbone. Prompts of the level p1 are the name of the class alone.
network = vlsm.load_network(arguments.out).eval()
entries = vlsm.load_datalist(arguments.dataset_dir, "test")
data = CacheDataset(entries, vlsm.training_transform(network, "p1"), progress=False)
dice = DiceMetric(ignore_empty=False)
with torch.inference_mode():
    for batch in DataLoader(data, batch_size=16):
        dice(network(batch["image"], batch["input_ids"], batch["attention_mask"]) > 0, batch["label"])
print(f"Dice {dice.aggregate().item():.3f} on {len(data)} test masks")
