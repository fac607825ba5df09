"""See whether risk control keeps its promise: fit it on random halves of the images of a bundle, look at the others.

Run it on a trained bundle: ``python scripts/risk_control.py bundles/phantom data/phantom --backbone tiny``.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser

from monai_vlsm.calibration.fit import Case
from monai_vlsm.calibration.thresholds import control_risk, dice_and_missed, mean_by_group
from monai_vlsm.handlers.calibrator import case_of

CONFIGS = ("train", "evaluate", "calibrate")


def cases_of(bundle: Path, values: dict[str, Any]) -> list[Case]:
    """Return the cases of a split that show their target."""
    parser = ConfigParser()
    parser.read_config([bundle / "configs" / f"{name}.json" for name in CONFIGS])
    parser.update({"bundle_root": str(bundle), "absent": False, "validate#handlers": [], **values})
    evaluator = parser.get_parsed_content("validate#evaluator")
    cases: list[Case] = []

    def collect(engine: Engine) -> None:
        state: Any = engine.state
        cases.extend(case_of(*pair) for pair in zip(state.batch, state.output, strict=True))

    evaluator.add_event_handler(Events.ITERATION_COMPLETED, collect)
    evaluator.run()
    return [case for case in cases if case.present]


def shares(missed: np.ndarray, alpha: float, splits: int) -> Iterator[float]:
    """Yield the mean missed share of one half at the threshold that the other half allows, for random halves."""
    rng = np.random.default_rng(0)
    for _ in range(splits):
        order = rng.permutation(len(missed))
        fitted, others = order[: len(order) // 2], order[len(order) // 2 :]
        place = control_risk(missed[fitted], alpha)
        yield float(missed[others][:, 0 if place is None else place].mean())


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="folder of a trained bundle")
    parser.add_argument("data", help="folder of its data set, whose validation and test images are taken together")
    parser.add_argument("--backbone", default="tiny", help="default: %(default)s")
    parser.add_argument("--image-size", type=int, help="default: that of the backbone")
    parser.add_argument("--splits", type=int, default=200, help="default: %(default)s")
    arguments = parser.parse_args()
    values = {"dataset_dir": arguments.data, "backbone": arguments.backbone}
    values |= {"image_size": arguments.image_size} if arguments.image_size else {}
    cases = [
        case for split in ("validation", "test") for case in cases_of(arguments.bundle, {**values, "split": split})
    ]
    missed = dice_and_missed(np.stack([case.counts for case in cases]))[1]
    per_unit = mean_by_group(missed, [case.unit for case in cases])
    print(f"{len(cases)} cases of {len(per_unit)} patients or images, {arguments.splits} random halves")
    for alpha in (0.1, 0.2):
        found = np.array(list(shares(per_unit, alpha, arguments.splits)))
        error = found.std(ddof=1) / np.sqrt(len(found))
        print(f"alpha {alpha}: mean missed share {found.mean():.4f}, standard error {error:.4f}")


if __name__ == "__main__":
    main()
