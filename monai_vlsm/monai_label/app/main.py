"""MONAI Label's app for bundles, as ``python -m monai_vlsm label-app`` writes it: what may be run, and on what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import monaibundle  # main.py of MONAI Label's sample app, which lies beside this file under this name
from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.utils.async_tasks.utils import processes

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.monai_label.datastore import StudiesDatastore
from monai_vlsm.monai_label.label_maps import AnyTask, PromptsTask
from monai_vlsm.monai_label.pinned import require_unchanged
from monai_vlsm.monai_label.prompts import ANY
from monai_vlsm.monai_label.refusals import logged_reason
from monai_vlsm.monai_label.scores import BackgroundScores, Idleness, Looker
from monai_vlsm.monai_label.sessions import KeptImages
from monai_vlsm.monai_label.strategies import next_image_strategies
from monai_vlsm.monai_label.tasks import TrainTask
from monai_vlsm.monai_label.turns import Cores, Turns


class App(monaibundle.MyApp, MONAILabelApp):
    """Serve bundles that were checked, on images of the studies.

    MONAI Label writes the prompt of a request into the configuration of the model, which MONAI evaluates, and which
    requests that run in parallel share. Here prompts stay out of it: they come with the data of the request
    (:class:`monai_vlsm.transforms.AttachPromptd`).

    Raises:
        DataError: if a configuration is not the one that ``label-app`` checked.
    """

    _gated = False

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self._checked = Path(app_dir), conf.get("models", "").split(","), conf.get("checked", "")
        require_unchanged(*self._checked)
        self.cores = Cores(settings.MONAI_LABEL_INFER_CONCURRENCY)
        self.turns = Turns(self.cores.at_once)
        super().__init__(app_dir, studies, conf)

    def init_datastore(self) -> StudiesDatastore:
        """Return the studies."""
        reload, read_only = settings.MONAI_LABEL_DATASTORE_AUTO_RELOAD, settings.MONAI_LABEL_DATASTORE_READ_ONLY
        return StudiesDatastore(self.studies, reload, read_only)

    def init_infers(self) -> dict[str, Any]:
        """Return the models by name."""
        tasks = {name: PromptsTask(path, self.conf) for name, path in self.models.items()}
        return {**tasks, **({ANY: AnyTask(tasks)} if len(tasks) > 1 else {})}

    def init_trainers(self) -> dict[str, Any]:
        """Return the trainings by name of their model."""
        return {name: TrainTask(path, self.conf) for name, path in self.models.items()}

    def init_strategies(self) -> dict[str, Any]:
        """Return the ways to choose the next image by name, the default first."""
        return {**next_image_strategies(), **super().init_strategies()}

    def behind_gate(self) -> None:
        """Note that :mod:`monai_vlsm.monai_label.api` serves this app."""
        self._gated = True

    def on_init_complete(self) -> None:
        """Begin to serve.

        Raises:
            DataError: if MONAI Label's own routes serve this app, which check nothing.
        """
        if not self._gated or settings.MONAI_LABEL_AUTH_ENABLE:
            raise DataError(
                "start this app with 'python -m monai_vlsm label-app --start', or the command that it prints without "
                "--start; and without MONAI_LABEL_AUTH_ENABLE: the login of MONAI Label 0.8.5 refuses everybody."
            )
        super().on_init_complete()
        idleness = Idleness(lambda: self.cores.is_busy or any(map(processes, ("train", "batch_infer"))))
        first = Path(next(iter(self.models.values())))
        looker = Looker(first, lambda: require_unchanged(*self._checked), idleness.wait)
        BackgroundScores(self.datastore(), looker).start()

    def infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Run a model on an image of the studies, or on a file that the server itself has written: a ``Path``."""
        self.require_model(request.get("model"))
        studies, image = datastore or self.datastore(), request.get("image")
        # Not its name: MONAI Label would rather take a file of that name in the working directory.
        path = image if isinstance(image, Path) else studies.image_path(image)
        with self.cores.one():
            result = super().infer({**request, "image": str(path)}, studies)
        if request.get("save_label"):
            info = {"model": request["model"], "params": result["params"]}
            result["label"] = studies.save_label(image, result["file"], request["label_tag"], info)
        return dict(result)

    def batch_infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        """Run a model on many images; of one that cannot be segmented, the answer has the reason."""

        def infer_or_say_why(asked: dict[str, Any], studies: Any) -> dict[str, Any]:
            try:
                return self.infer(asked, studies)
            except Exception as error:  # one image never keeps the others from being segmented
                return {"error": logged_reason(f"the image {asked['image']!r} is not segmented", error)}

        return dict(self._batch_infer(request, datastore or self.datastore(), infer_or_say_why))

    def train(self, request: dict[str, Any]) -> dict[str, Any]:
        """Train a model on the images that have a label."""
        self.require_trainable(request.get("model"))
        require_unchanged(*self._checked)
        with self.cores.one():
            return dict(super().train(request))

    def require_model(self, name: Any) -> None:
        """Raise a MissingFileError unless there is a model of this name."""
        known = sorted(name for name, task in self._infers.items() if task.is_valid())
        if name not in known:
            raise MissingFileError(f"there is no model {name!r:.80}, this server has {known}.")

    def require_trainable(self, name: Any) -> None:
        """Raise a UserError unless there is a model of this name and something to train it on."""
        self.require_model(name)
        if name not in self._trainers:
            raise MissingFileError(f"{name!r} has nothing to train: name one of {sorted(self._trainers)}.")
        if not self.datastore().datalist():
            raise DataError("there is nothing to train on: submit a label first.")

    def _load_sessions(self, load: bool = False) -> KeptImages | None:
        """Keep sessions in the app's own folder; MONAI Label keeps those of all servers in the user's cache."""
        return KeptImages(str(Path(self.app_dir) / "sessions"), settings.MONAI_LABEL_SESSION_EXPIRY) if load else None
