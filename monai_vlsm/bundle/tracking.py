"""MONAI's ``--tracking mlflow`` in bundles whose batches stay whole."""

from __future__ import annotations

from importlib.util import find_spec
from secrets import token_hex
from time import strftime
from typing import Any
from urllib.parse import urlsplit

from monai_vlsm.bundle.root import running_workflow
from monai_vlsm.errors import UserError

_HANDLERS = ("train#handlers", "validate#handlers", "handlers")
"""Where MONAI appends its handlers."""


def fit_tracking() -> None:
    """Make MONAI's handlers for MLflow fit, where ``--tracking mlflow`` added them to what is running.

    They read the loss as of batches that were taken apart, go on with the run of a training that was killed, whose
    parameters may be others, and leave that of an evaluation open. A training also gets its settings as parameters.

    Raises:
        UserError: if MLflow is not installed, or the address of its server holds a password.
    """
    workflow = running_workflow()
    added = [] if workflow is None else [handler for place in _HANDLERS for handler in _added(workflow.parser, place)]
    if not added:
        return
    if find_spec("mlflow") is None:
        raise UserError('--tracking mlflow needs the package mlflow: pip install "monai_vlsm[mlflow]"')
    _require_no_password(workflow.parser)
    for handler in added:
        if "is_not_rank0" in workflow.parser:
            handler["_disabled_"] = "@is_not_rank0"
        if "tag_name" in handler:
            handler["output_transform"] = "$lambda output: output['loss'].item()"
            handler["experiment_param"] = "@settings"
        elif workflow.run_id == "evaluating":
            handler["close_on_complete"] = True
    if workflow.parser.get("run_name") is None:
        # Of trainings that begin in the same second MONAI would make one run.
        workflow.parser["run_name"] = f"{strftime('run_%Y%m%d_%H%M%S')}_{token_hex(3)}"
    # MONAI has taken the configuration apart already.
    workflow.parser.parse(reset=True)


def _require_no_password(parser: Any) -> None:
    uri = parser.get("tracking_uri")
    if isinstance(uri, str) and "@" in urlsplit(uri).netloc:
        raise UserError(
            "--tracking_uri holds a name or password, which anybody who gets the configuration of the run could read: "
            "give them as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, and remove "
            f"{parser.get_parsed_content('save_execute_config')!r}, which MONAI has written already."
        )


def _added(parser: Any, place: str) -> list[dict[str, Any]]:
    handlers = parser.get(place) or ()
    return [part for part in handlers if isinstance(part, dict) and part.get("_target_") == "MLFlowHandler"]
