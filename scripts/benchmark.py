"""Time training steps and predictions of the full-size networks; random weights, real architecture."""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import torch
from monai.losses import DiceCELoss
from transformers import CLIPSegConfig, CLIPSegForImageSegmentation

from monai_vlsm.networks import Backbone, CLIPSegDenseAdapter, CLIPSegFineTune, CLIPSegShallowAdapter

TOKENS = 16
NETWORKS: dict[str, Callable[[Backbone], torch.nn.Module]] = {
    "dense": CLIPSegDenseAdapter,
    "shallow": CLIPSegShallowAdapter,
    "decoder": lambda backbone: CLIPSegFineTune(backbone, "decoder"),
    "full": lambda backbone: CLIPSegFineTune(backbone, "full"),
}


def full_size_backbone() -> Backbone:
    """Return a backbone of the paper's size with small random weights; speed and memory do not depend on them."""
    config = CLIPSegConfig(
        vision_config={"patch_size": 16},
        text_config={"bos_token_id": 49406, "eos_token_id": 49407},
        reduce_dim=64,
        use_complex_transposed_convolution=True,
    )
    with torch.device("meta"):
        model = CLIPSegForImageSegmentation(config)
    model = model.to_empty(device="cpu")
    torch.manual_seed(0)
    for name, tensor in model.state_dict().items():
        if name.endswith("position_ids"):
            tensor.copy_(torch.arange(tensor.numel()).expand_as(tensor))
        else:
            tensor.copy_(torch.randn_like(tensor) * 0.02)
    for name, buffer in model.named_buffers():
        if name.endswith("position_ids"):
            buffer.copy_(torch.arange(buffer.numel()).expand_as(buffer))
    return Backbone("random weights of full size", model)


def seconds(action: Callable[[], object], repeats: int, device: torch.device) -> list[float]:
    """Return the time of each of ``repeats`` runs, after one run that does not count."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        action()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return times[1:]


def peak_memory(device: torch.device) -> float:
    """Return the largest memory so far in GiB: of the process on the CPU, of the allocator on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**30
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="dense", help="dense and shallow with V, L and C")
    parser.add_argument("--batch-size", type=int, default=4, help="images per training step")
    parser.add_argument("--steps", type=int, default=5, help="training steps, and predictions, that count")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="cpu or cuda")
    return parser.parse_args()


def random_batch(size: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return images (B, 3, 352, 352), tokens (B, L) and masks (B, 1, 352, 352) of 0 and 1."""
    image = torch.randn(size, 3, 352, 352, device=device)
    label = (torch.rand(size, 1, 352, 352, device=device) > 0.5).float()
    input_ids = torch.randint(1000, 40000, (size, TOKENS), device=device)
    input_ids[:, -1] = 49407
    return image, input_ids, label


def measure(
    network: torch.nn.Module, trained: list[torch.nn.Parameter], batch_size: int, steps: int, device: torch.device
) -> tuple[float, float, float]:
    """Return seconds per training step, GiB in training, and seconds per prediction of one image; medians."""
    optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=1e-3)
    loss_function = DiceCELoss(sigmoid=True, lambda_dice=1.5, lambda_ce=1.0)
    image, input_ids, label = random_batch(batch_size, device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_function(network(image, input_ids), label).backward()
        optimizer.step()

    @torch.inference_mode()
    def predict() -> None:
        network(image[:1], input_ids[:1])

    training = statistics.median(seconds(step, steps, device))
    memory = peak_memory(device)
    return training, memory, statistics.median(seconds(predict, steps, device))


def main() -> None:
    """Run the command line and print one row of a table."""
    arguments = parse_arguments()
    device = torch.device(arguments.device)
    network = NETWORKS[arguments.network](full_size_backbone()).to(device)
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    count = sum(parameter.numel() for parameter in trained)
    training, memory, prediction = measure(network, trained, arguments.batch_size, arguments.steps, device)
    row = (
        arguments.network,
        f"{count:,}",
        arguments.batch_size,
        f"{training:.2f}",
        f"{memory:.2f}",
        f"{prediction:.3f}",
    )
    print("| network | trainable | batch | seconds / step | GiB in training | seconds / prediction |")
    print("|---|---|---|---|---|---|")
    print("| " + " | ".join(str(cell) for cell in row) + " |")


if __name__ == "__main__":
    main()
