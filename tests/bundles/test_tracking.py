"""What a training leaves for people who compare trainings: MLflow's database, and TensorBoard's settings."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from bundles.quick import QUICK, ROOT
from monai.bundle import ConfigParser, run
from monai.bundle.utils import DEFAULT_HANDLERS_ID
from monai.utils import path_to_sqlite_uri
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from monai_vlsm.bundle import tracking
from monai_vlsm.errors import UserError, find_message

OPTIONS = {**QUICK, "method": "shallow", "tracking": "mlflow"}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="sqlalchemy is not installed")
    database = tmp_path_factory.mktemp("bundle") / "phantom" / "eval" / "mlruns.db"
    shutil.copytree(ROOT / "bundles" / "phantom" / "configs", database.parents[1] / "configs")
    database.parent.mkdir()
    return mlflow.MlflowClient(tracking_uri=path_to_sqlite_uri(str(database)))


@pytest.fixture(scope="module")
def trained(client, phantom):
    """Train beside the run of a training that was killed; return the bundle's folder."""
    root = Path("/", client.tracking_uri.removeprefix("sqlite:///")).parents[1]
    experiment = client.create_experiment("monai_experiment", artifact_location=(root / "eval" / "mlruns").as_uri())
    killed = client.create_run(experiment, run_name="killed").info.run_id
    client.log_param(killed, "method", "dense")
    config = str(root / "configs" / "train.json")
    run(run_id="training", config_file=config, bundle_root=str(root), dataset_dir=phantom, **OPTIONS)
    return root


def finished(client):
    (experiment,) = (found for found in client.search_experiments() if found.name == "monai_experiment")
    return [found for found in client.search_runs([experiment.experiment_id]) if found.info.status == "FINISHED"]


def test_a_training_is_one_run_of_its_own_with_settings_and_metrics(client, trained):
    (found,) = finished(client)
    assert found.data.params.items() >= {"method": "shallow", "augment": "none", "seed": "42"}.items()
    assert found.data.metrics.keys() >= {"train_loss", "train_dice", "val_loss", "val_dice"}


def test_no_name_of_an_image_is_in_what_is_tracked(trained):
    tracked = [*(trained / "eval").glob("mlruns*"), *(trained / "eval").glob("config_*.json")]
    contents = [path.read_bytes() for path in tracked if path.is_file()]
    assert len(contents) >= 2
    assert not [content for content in contents if b"training_0000" in content or b"train_0000" in content]


def test_tensorboard_has_the_settings_and_the_best_dice(trained):
    events = EventAccumulator(str(trained / "eval")).Reload()
    written = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    values = HParamsPluginData.FromString(written).session_start_info.hparams
    assert (values["method"].string_value, values["batch_size"].number_value) == ("shallow", 4)
    assert values["learning_rate"].number_value > 0
    best = max(event.value for event in events.Scalars("val_dice"))
    assert [event.value for event in events.Scalars("best_val_dice")] == [best]


def test_without_mlflow_training_ends_in_a_sentence(bundle, phantom, monkeypatch):
    monkeypatch.setattr("monai_vlsm.bundle.tracking.find_spec", lambda name: None)
    root = bundle("phantom")
    config = str(root / "configs" / "train.json")
    with pytest.raises(RuntimeError) as failure:
        run(run_id="training", config_file=config, bundle_root=str(root), dataset_dir=phantom, **OPTIONS)
    assert 'pip install "monai_vlsm[mlflow]"' in str(find_message(failure.value))


@pytest.fixture
def fitted(monkeypatch):
    """Fit the tracking of a training, given what its configuration has; return that."""

    def of(**values):
        parser = ConfigParser(
            {"handlers": [{"_target_": "MLFlowHandler"}], "save_execute_config": "eval/c.json", **values}
        )
        workflow = SimpleNamespace(parser=parser, run_id="training")
        monkeypatch.setattr(tracking, "running_workflow", lambda: workflow)
        monkeypatch.setattr(tracking, "find_spec", lambda name: True)
        tracking.fit_tracking()
        return parser

    return of


def test_a_password_in_the_address_of_the_server_is_refused(fitted):
    with pytest.raises(UserError, match=r"MLFLOW_TRACKING_PASSWORD, and remove 'eval/c\.json'"):
        fitted(tracking_uri="https://me:secret@server")


def test_trainings_that_begin_in_the_same_second_are_runs_of_their_own(fitted, monkeypatch):
    monkeypatch.setattr(tracking, "strftime", lambda pattern: "run_0")
    assert fitted(tracking_uri="https://server/a@b")["run_name"] != fitted()["run_name"]


def test_of_several_processes_the_first_alone_tracks(fitted):
    assert fitted(is_not_rank0=True).get_parsed_content("handlers") == []


@pytest.mark.parametrize(
    "root", sorted(path.parent for path in ROOT.glob("bundles/*/configs")), ids=lambda path: path.name
)
def test_every_bundle_has_the_places_where_monai_tracks_and_what_makes_it_fit(root):
    train, inference = (
        json.loads((root / "configs" / f"{name}.json").read_text(encoding="utf-8")) for name in ("train", "inference")
    )
    for config, name in ((train, "trainer"), (train, "validator"), (inference, "evaluator")):
        for place in DEFAULT_HANDLERS_ID[name].values():
            found = config
            for key in place.split("#"):
                found = found[key]
            assert found, place
    for config in (train, inference):
        assert "$monai_vlsm.bundle.tracking.fit_tracking()" in config["initialize"]
