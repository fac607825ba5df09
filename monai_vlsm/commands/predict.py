"""``predict``: segment images by prompts, with a trained bundle."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from logging.config import fileConfig
from typing import TYPE_CHECKING, Any

from monai_vlsm.bundle import bundle_folder
from monai_vlsm.bundle.released import LOGGING
from monai_vlsm.bundle.values import RULES
from monai_vlsm.commands import BACKBONE_HELP, BUNDLE_HELP, TRUST_HELP, add_ray, count
from monai_vlsm.errors import DataError
from monai_vlsm.rules import require_value

if TYPE_CHECKING:
    from monai_vlsm.predicting.jobs import Job
    from monai_vlsm.predicting.plan import Plan
    from monai_vlsm.predicting.records import Outcome

_SHOWN_ERRORS = 10
_EXAMPLES = """examples:
  monai-vlsm predict photos/ --bundle busi --prompt tumor --out masks
  monai-vlsm predict scan.nii.gz "study/*.dcm" --bundle busi --prompt cyst --prompt tumor --label-map
  monai-vlsm predict --jobs prompts.csv --bundle busi --html

Each image is encoded once, however many prompts there are. What is finished is skipped when the same command is run
again. results.csv has a row for each image and prompt. The exit status is 1 if an image could not be segmented. All
about it: docs/predict.md."""


def add_parser(commands: Any) -> None:
    """Add the command to the ``commands`` of a parser."""
    parser = commands.add_parser(
        "predict",
        help="segment images by prompts, with a trained bundle",
        description="Segment images. Masks have size, orientation and kind of the images.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_questions(parser.add_argument_group("what is asked"))
    _add_network(parser.add_argument_group("by which network"))
    _add_answers(parser.add_argument_group("what is written"))
    _add_engine(parser.add_argument_group("where it is computed (docs/scale.md)"))
    parser.set_defaults(run=_run)


def _add_questions(group: Any) -> None:
    group.add_argument(
        "images",
        nargs="*",
        help="files (PNG, JPG, TIFF, NIfTI, NRRD, DICOM ...), patterns, or folders, which are searched with all below; "
        "or addresses of such elsewhere (s3://bucket/folder)",
    )
    group.add_argument(
        "--prompt", action="append", help="what to segment, such as 'polyp'; many times (default: the bundle's own)"
    )
    group.add_argument(
        "--jobs", metavar="FILE", help="CSV or JSON with image, prompt, and if wanted label and value, a line for each"
    )
    group.add_argument(
        "--threshold",
        type=_number_or_word,
        help="probability from which on a pixel is mask, or best_dice or risk_control (default: the bundle's own)",
    )
    group.add_argument(
        "--min-presence",
        type=float,
        metavar="P",
        help="presence below which a mask is empty; 0 empties none (default: the bundle's, else the calibrated cut)",
    )
    group.add_argument(
        "--paraphrases",
        type=int,
        metavar="N",
        help="compare the mask of each prompt with those of N other wordings, for the column 'agreement'",
    )


def _add_network(group: Any) -> None:
    group.add_argument("--bundle", required=True, help=BUNDLE_HELP)
    group.add_argument("--backbone", help=BACKBONE_HELP)
    group.add_argument("--device", help="cpu, cuda, cuda:1 ... (default: a GPU if there is one)")
    group.add_argument("--precision", help="auto, float32, bfloat16 or float16 (default: the bundle's own)")
    group.add_argument(
        "--batch-size", type=int, default=8, metavar="N", help="slices of a volume encoded together (default: 8)"
    )
    group.add_argument("--trust", action="store_true", help=TRUST_HELP)


def _add_answers(group: Any) -> None:
    group.add_argument("--out", default="masks", help="folder for all results (default: %(default)s)")
    group.add_argument(
        "--label-map", action="store_true", help="one file more per image, with the values of all labels"
    )
    group.add_argument(
        "--priority",
        default="",
        metavar="A,B,C",
        help="labels that cover the others where masks overlap, the last one on top (default: the most probable one)",
    )
    group.add_argument("--probabilities", action="store_true", help="also write probabilities, in 16 bits")
    group.add_argument(
        "--html", action="store_true", help="also write results.html, to look through all with thumbnails"
    )
    group.add_argument(
        "--overlays", type=int, default=16, metavar="N", help="images drawn with their masks (default: %(default)s)"
    )
    group.add_argument(
        "--dicom-seg", action="store_true", help="also write a DICOM SEG of each DICOM image, with its patient"
    )
    group.add_argument("--with-patient", action="store_true", help="name patients in tables, as DICOM files do")
    group.add_argument(
        "--overwrite", action="store_true", help="segment anew what is finished, and replace what is in the way"
    )


def _add_engine(group: Any) -> None:
    group.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="one process, or several with Ray, also elsewhere"
    )
    group.add_argument("--threads", type=count, metavar="N", help="cores of a network (default: all; with Ray 1)")
    add_ray(group, "processes of Ray (default: one per GPU, else cores / threads)")


def _run(arguments: argparse.Namespace) -> int:
    from monai_vlsm.predicting.finish import finish
    from monai_vlsm.predicting.labels import require_known_labels
    from monai_vlsm.predicting.owner import require_results_apart
    from monai_vlsm.predicting.records import unfinished
    from monai_vlsm.predicting.targets import require_apart

    fileConfig(LOGGING, disable_existing_loggers=False)
    plan = _plan(arguments)
    jobs = _jobs(arguments, plan)
    require_results_apart(plan)
    require_apart(jobs, plan)
    require_known_labels(jobs, plan)
    todo = unfinished(jobs, plan)
    if todo:
        _segment(todo, plan, arguments)
    outcome = finish(jobs, plan)
    _tell(len(jobs), len(todo), outcome, plan)
    return int(bool(outcome.failed))


def _plan(arguments: argparse.Namespace) -> Plan:
    from monai_vlsm.predicting.plan import Plan, make_plan

    require_value(RULES["overlays"], arguments.overlays, "overlays")
    asked = Plan(
        out=arguments.out,
        bundle=str(bundle_folder(arguments.bundle)),
        backbone=arguments.backbone,
        device=arguments.device,
        precision=arguments.precision,
        threshold=arguments.threshold,
        min_presence=arguments.min_presence,
        trust=arguments.trust,
        batch_size=arguments.batch_size,
        label_map=arguments.label_map,
        probabilities=arguments.probabilities,
        dicom_seg=arguments.dicom_seg,
        thumbnails=arguments.html,
        with_patient=arguments.with_patient,
        priority=tuple(name.strip() for name in arguments.priority.split(",") if name.strip()),
        overwrite=arguments.overwrite,
    )
    return make_plan(asked, arguments.paraphrases)


def _jobs(arguments: argparse.Namespace, plan: Plan) -> list[Job]:
    from monai_vlsm.predicting.job_file import read_jobs
    from monai_vlsm.predicting.jobs import make_jobs
    from monai_vlsm.predicting.sources import find_sources

    if bool(arguments.jobs) == bool(arguments.images):
        raise DataError("expected either images or --jobs FILE, which names the images itself.")
    if "" in map(str.strip, arguments.prompt or ()):
        raise DataError(f"expected a text for --prompt, got nothing: without --prompt {plan.prompt!r} is asked for.")
    if arguments.jobs and arguments.prompt:
        raise DataError("expected --prompt or --jobs, not both: a file of jobs has its prompts in it.")
    if arguments.jobs:
        return read_jobs(arguments.jobs, plan.prompt, plan.folder, arguments.overlays)
    sources = find_sources(arguments.images, plan.folder)
    if (plan.dicom_seg or plan.with_patient) and any(source.remote for source in sources):
        raise DataError("--dicom-seg and --with-patient read the files once more: copy them here first.")
    return make_jobs(sources, arguments.prompt or [plan.prompt], arguments.overlays)


def _segment(jobs: Sequence[Job], plan: Plan, arguments: argparse.Namespace) -> None:
    import torch

    from monai_vlsm.predicting.local import run_local
    from monai_vlsm.predicting.ray_engine import run_ray

    if arguments.engine == "ray":
        run_ray(jobs, plan, arguments.address, arguments.workers, arguments.threads or 1)
        return
    if arguments.address or arguments.workers:
        raise DataError("--address and --workers are for --engine ray.")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    run_local(jobs, plan)


def _tell(images: int, todo: int, outcome: Outcome, plan: Plan) -> None:
    """Say how many images and masks there are now, which ones are missing, and what to look at."""
    from monai_vlsm.predicting.targets import TABLE

    failed = outcome.failed
    for job, error in list(failed.items())[:_SHOWN_ERRORS]:
        print(f"{job.source.shown}: {error}".encode("unicode_escape").decode(), file=sys.stderr)
    if len(failed) > _SHOWN_ERRORS:
        print(f"and {len(failed) - _SHOWN_ERRORS:,} more, see the column 'error'", file=sys.stderr)
    done = f"{todo - len(failed):,} segmented, {images - todo:,} finished before"
    print(f"{images:,} images: {done}, {len(failed):,} failed")
    doubtful = f"{outcome.look:,} to look at, {outcome.emptied:,} emptied as the target is probably not there"
    print(f"{outcome.masks:,} masks: {doubtful} (columns 'look' and 'emptied' of {TABLE})")
    print(f"written to {plan.folder.absolute()}")


def _number_or_word(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
