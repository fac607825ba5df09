"""One page on a bundle: its data, what was measured, how far to trust it, and how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_vlsm.pages import Page, Picture
from monai_vlsm.pages.cells import shown
from monai_vlsm.reports.bundle_facts import BundleFacts
from monai_vlsm.reports.calibrated import add_calibration
from monai_vlsm.reports.data_check import CheckedData
from monai_vlsm.reports.evaluated import add_metrics, add_presence, add_ranking, interval, setting
from monai_vlsm.reports.prompted import add_prompts
from monai_vlsm.reports.runs import Run

_CALIBRATE = ("train", "evaluate", "calibrate")

PROMPTS = Path("eval", "prompts")
"""Where the page looks for a prompt report in the folder of a bundle."""

_NAMED = 5
"""Files that a finding of the check names."""


@dataclass(frozen=True)
class Contents:
    """What a page is made of.

    Args:
        bundle: that it is about.
        runs: of its evaluation; the first one is shown in detail.
        data: what was found in the data set; or why it could not be read.
        prompts: summary of a prompt report, as :func:`monai_vlsm.reports.prompted.read_prompts` gives it.
        cases: pictures of the worst and best cases of the first run by ``worst`` and ``best``; or why there are none.
    """

    bundle: BundleFacts
    runs: Sequence[Run]
    data: CheckedData | str
    prompts: Mapping[str, Any] | None
    cases: Mapping[str, Sequence[Picture]] | str


def bundle_page(contents: Contents) -> Page:
    """Return the page. The same contents give the same page."""
    bundle, runs = contents.bundle, contents.runs
    page = Page(bundle.told("name") or bundle.name, bundle.told("task"))
    _add_overview(page, contents)
    _add_data(page, contents)
    if runs:
        add_metrics(page, runs)
        if bundle.model is not None:
            add_calibration(page, bundle.calibration, bundle.model.sha256, running(bundle, "calibrating", *_CALIBRATE))
        add_presence(page, runs[0], evaluating(bundle, "--absent True"))
        add_ranking(page, runs[0], evaluating(bundle))
        add_prompts(page, contents.prompts, _asking(bundle))
        _add_cases(page, contents)
    else:
        page.section("Results")
        page.missing("No evaluation of this bundle was found.", evaluating(bundle))
    _add_making(page, bundle, runs)
    return page


def evaluating(bundle: BundleFacts, options: str = "") -> str:
    """Return the command that evaluates a bundle."""
    return f"{running(bundle, 'evaluating', 'train', 'evaluate')} {options}".strip()


def running(bundle: BundleFacts, what: str, *names: str) -> str:
    """Return the command that runs a part of a bundle with some of its configurations."""
    files = [f"{bundle.folder.as_posix()}/configs/{name}.json" for name in names]
    listed = files[0] if len(files) == 1 else '"[' + ",".join(f"'{file}'" for file in files) + ']"'
    return f"python -m monai.bundle run {what} --config_file {listed}"


def _asking(bundle: BundleFacts) -> str:
    folder, dataset = bundle.folder.as_posix(), bundle.values.get("dataset_dir", "DATASET")
    return f"python -m monai_vlsm prompts {folder} --dataset-dir {dataset} --out {folder}/{PROMPTS.as_posix()}"


def leaks(data: CheckedData | str) -> str:
    """Say in a sentence what the check of a data set found."""
    if isinstance(data, str):
        return "not checked"
    report = data.report
    counted = f"{len(report.errors)} errors, {len(report.findings) - len(report.errors)} warnings"
    patients = (
        "patients compared between splits" if _has_groups(data) else "which images are of one patient is not known"
    )
    return f"{counted} (files, prompts, images with equal pixels in two splits; {patients})"


def _has_groups(data: CheckedData) -> bool:
    return any(split["groups"] for split in data.report.splits.values())


def _add_overview(page: Page, contents: Contents) -> None:
    page.section("At a glance")
    bundle, runs = contents.bundle, contents.runs
    facts: dict[str, object] = {}
    if runs:
        run = runs[0]
        cases = sum(row["label"] != "" for row in run.rows)
        what = f"{cases} cases of the split {setting(run, 'split')}, prompts {setting(run, 'prompt_level')}"
        facts |= {"Dice": f"{shown(interval(run, 'dice'))}, {what}"} if "dice" in run.metrics else {}
    facts["Check of the data"] = leaks(contents.data)
    facts["Model"] = _model(bundle)
    facts["Intended use"] = bundle.told("intended_use")
    page.facts(facts)


def _model(bundle: BundleFacts) -> str:
    model = bundle.model
    if model is None:
        return "not trained yet"
    return f"{model.method}, {model.parameters:,} trained numbers on the frozen {model.backbone}"


def _add_data(page: Page, contents: Contents) -> None:
    page.section("Data")
    bundle, data = contents.bundle, contents.data
    source, terms = bundle.told("data_source"), bundle.terms.strip()
    facts = {"Terms": terms, "Masks": bundle.told("label_classes")}
    page.facts(facts if source in terms else {"Source": source, **facts})
    if isinstance(data, str):
        page.missing(data, f"python -m monai_vlsm prepare {bundle.name} --help")
        return
    rows = [
        [
            split,
            *(int(counts[name]) for name in ("entries", "images")),
            int(counts["groups"]) or None,
            int(counts["empty masks"]),
            counts["foreground"],
        ]
        for split, counts in data.report.splits.items()
    ]
    header = ["split", "entries", "images", "patients", "empty masks", "foreground (share of pixels)"]
    page.table(header, rows, "Splits; an entry is an image with a mask and its prompts")
    classes = [[name, *counts.values()] for name, counts in sorted(data.report.classes.items())]
    page.table(["class (p1)", *data.report.splits], classes, "Entries by class")
    page.subsection("Leaks and other findings")
    if not _has_groups(data):
        page.text("Which images are of one patient is not known: patients in two splits would not be found.")
    findings = [[item.severity, item.text, len(item.names), _some(item.names)] for item in data.report.findings]
    if findings:
        page.table(["kind", "finding", "how many", "for example"], findings, "What the check of the data set found")
    else:
        page.text("All files were read; nothing was found that would spoil results.")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (" ..." if len(names) > _NAMED else "")


def _add_cases(page: Page, contents: Contents) -> None:
    page.section("Worst and best cases")
    if isinstance(contents.cases, str):
        page.missing(contents.cases)
        return
    page.text(
        f"Of {contents.runs[0].table.parent.name}, among the cases that show the target. Annotation green, prediction "
        "red with a light fill; segmented anew with models/model.pt for this page."
    )
    for name, pictures in contents.cases.items():
        page.subsection(name.capitalize())
        page.pictures(pictures)


def _add_making(page: Page, bundle: BundleFacts, runs: Sequence[Run]) -> None:
    page.section("How it was made")
    model = bundle.model
    if model is None:
        page.missing("Nothing was trained yet.", running(bundle, "training", "train"))
    else:
        settings = ", ".join(f"{name} {value}" for name, value in model.settings.items())
        page.facts(
            {
                "Checkpoint": "models/model.pt",
                "SHA-256": model.sha256,
                "Size": f"{model.size / 1e6:.1f} MB",
                "Method": f"{model.method}{f' ({settings})' if settings else ''}",
                "Backbone": f"{model.backbone}, fingerprint {model.fingerprint}",
                "Bundle version": bundle.told("version"),
            }
        )
        _add_training(page, bundle)
    for run in runs:
        page.subsection(f"Run {run.table.parent.name}")
        _add_run(page, bundle, run)


def _add_training(page: Page, bundle: BundleFacts) -> None:
    page.subsection("Training")
    training = bundle.training
    if training is None:
        page.missing(
            "How it was trained is not known: eval/training_state.pt is not there.",
            running(bundle, "training", "train"),
        )
        return
    page.text(
        f"The last training in this folder: {training.epochs} epochs; the validation Dice was highest in epoch "
        f"{training.best_epoch}, with {training.best:.3f} at the size that the network sees."
    )
    _add_made_with(page, training.made_with)
    page.facts({name: "default" if value is None else value for name, value in training.settings.items()}, short=True)


def _add_run(page: Page, bundle: BundleFacts, run: Run) -> None:
    made = run.settings.get("made_with")
    if not isinstance(made, dict):
        page.missing("Machine, versions and command of this run are not known.", evaluating(bundle))
        return
    _add_made_with(page, made)
    same = _same_model(bundle, made.get("checkpoint_sha256"))
    page.facts({"Checkpoint": same, "Precision": run.settings.get("precision")})


def _add_made_with(page: Page, made: Mapping[str, Any]) -> None:
    if not made:
        return
    page.command(str(made.get("command", "")))
    versions = made.get("versions")
    listed = ", ".join(f"{name} {number}" for name, number in versions.items()) if isinstance(versions, dict) else ""
    page.facts(
        {
            "Date": made.get("date"),
            "Device": f"{made.get('device', '')}; {made.get('cpu_cores', '')} processor cores",
            "System": f"{made.get('system', '')}, Python {made.get('python', '')}",
            "Versions": listed,
        }
    )


def _same_model(bundle: BundleFacts, sha256: object) -> str:
    if sha256 is None:
        return "none: CLIPSeg as it was published"
    if bundle.model is not None and sha256 == bundle.model.sha256:
        return "models/model.pt as it is now"
    return f"another one than models/model.pt is now: SHA-256 {sha256}"
