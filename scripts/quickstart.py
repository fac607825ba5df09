"""Draw the phantom, train its bundle, evaluate before and after, segment the test images, and print what came out."""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from pathlib import Path
from typing import Any

from monai.bundle import run
from transformers.utils.logging import disable_progress_bar

from monai_vlsm.data import load_datalist
from monai_vlsm.data.phantom import write_phantom
from monai_vlsm.networks import load_network, trainable_summary

ROOT = Path(__file__).resolve().parents[1]
BUNDLE = ROOT / "bundles" / "phantom"


def keep_quiet() -> None:
    """Leave progress and results on the screen, without what MONAI and transformers say about every run."""
    warnings.filterwarnings("ignore")
    for name in ("monai.bundle.scripts", "monai.bundle.workflows"):
        logging.getLogger(name).setLevel(logging.WARNING)
    disable_progress_bar()


def configs(*names: str) -> list[str]:
    """Return the paths of configurations of the bundle."""
    return [str(BUNDLE / "configs" / f"{name}.json") for name in names]


def evaluate(dataset_dir: str, zero_shot: bool, prompt_level: str) -> dict[str, Any]:
    """Evaluate the bundle on the test split and return the summary."""
    output_dir = BUNDLE / "eval" / ("zero_shot" if zero_shot else "trained")
    run(
        run_id="evaluating",
        config_file=configs("train", "evaluate"),
        bundle_root=str(BUNDLE),
        dataset_dir=dataset_dir,
        zero_shot=zero_shot,
        prompt_level=prompt_level,
        output_dir=str(output_dir),
    )
    return json.loads((output_dir / "summary.json").read_text(encoding="utf-8"))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--max-epochs", type=int, help="epochs of training (default: those of the bundle)")
    parser.add_argument("--prompt-level", default="p1", help="prompts of the evaluation; p1 is the class name alone")
    arguments = parser.parse_args()
    keep_quiet()
    start = time.perf_counter()
    dataset_dir = str(ROOT / "data" / "phantom")
    write_phantom(Path(dataset_dir))
    before = evaluate(dataset_dir, True, arguments.prompt_level)
    training_start = time.perf_counter()
    epochs = {} if arguments.max_epochs is None else {"max_epochs": arguments.max_epochs}
    run(
        run_id="training",
        config_file=configs("train"),
        bundle_root=str(BUNDLE),
        dataset_dir=dataset_dir,
        **epochs,
    )
    training_seconds = time.perf_counter() - training_start
    after = evaluate(dataset_dir, False, arguments.prompt_level)
    images = sorted({entry["image"] for entry in load_datalist(dataset_dir, "test")})
    masks = BUNDLE / "eval" / "masks"
    run(
        config_file=configs("inference")[0],
        bundle_root=str(BUNDLE),
        images=images,
        output_dir=str(masks),
    )
    print_table(before, after, arguments.prompt_level, training_seconds, time.perf_counter() - start)
    print(f"masks of the test images:  {masks}")
    print(f"look at                    {BUNDLE / 'eval' / 'trained' / 'overlays.png'}")


def print_table(
    before: dict[str, Any], after: dict[str, Any], prompt_level: str, training_seconds: float, seconds: float
) -> None:
    """Print what the quick start was for."""
    print(f"\ntrainable parameters   {trainable_summary(load_network(BUNDLE / 'models' / 'model.pt'))}")
    print(f"{after['images']} test masks, prompts {prompt_level}    before    after    95 % interval")
    for name in ("dice", "iou"):
        low, high = after["metrics"][name]["ci95"]
        numbers = f"{before['metrics'][name]['mean']:.3f}    {after['metrics'][name]['mean']:.3f}"
        print(f"{name:<26}{numbers}    {low:.3f} to {high:.3f}")
    print(f"seconds                {training_seconds:.0f} for training, {seconds:.0f} for everything\n")


if __name__ == "__main__":
    main()
