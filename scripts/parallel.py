"""Time training steps that several processes share: torchrun --nproc_per_node=2 scripts/parallel.py."""

from __future__ import annotations

import argparse
import os
import time

import torch
from monai.losses import DiceCELoss
from torch import distributed

from monai_vlsm.engines import share_network
from monai_vlsm.networks import build_network


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--backbone", default="tiny", help="as in train.json")
    parser.add_argument("--batch-size", type=int, default=16, help="images per step, over all processes")
    parser.add_argument("--steps", type=int, default=10, help="steps that count")
    return parser.parse_args()


def measure(network: torch.nn.Module, shape: tuple[int, ...], steps: int, device: torch.device) -> tuple[float, float]:
    """Return wall seconds and seconds of this process on the CPU, for all steps; two before them do not count.

    Args:
        shape: (B, H, W) of the images of this process.
    """
    optimizer = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=1e-3)
    loss = DiceCELoss(sigmoid=True, lambda_dice=1.5)
    images, *size = shape
    image = torch.randn(images, 3, *size, device=device)
    label = (torch.rand(images, 1, *size, device=device) > 0.5).float()
    start = (0.0, 0.0)
    for step in range(steps + 2):
        if step == 2:
            distributed.barrier()
            start = (time.perf_counter(), time.process_time())
        optimizer.zero_grad()
        loss(network(image), label).backward()
        optimizer.step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def main() -> None:
    """Run the command line and print one row of a table, in the first process."""
    arguments = parse_arguments()
    on_cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_cuda else torch.device("cpu")
    distributed.init_process_group("nccl" if on_cuda else "gloo")
    processes = distributed.get_world_size()
    network = build_network(backbone=arguments.backbone).to(device)
    trained = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    share = arguments.batch_size // processes
    shape = (share, network.image_size, network.image_size)
    wall, used = measure(share_network(network, device), shape, arguments.steps, device)
    total = torch.tensor(used, device=device)
    distributed.all_reduce(total)
    if distributed.get_rank() == 0:
        images = share * processes * arguments.steps
        print("| processes | images / s | CPU s / image | MB of gradients / step |")
        print("|---|---|---|---|")
        print(f"| {processes} | {images / wall:.2f} | {total.item() / images:.3f} | {trained * 4 / 1e6:.2f} |")
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
