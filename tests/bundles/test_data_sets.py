"""Every bundle trains on its own data set, prepared from a look-alike of its raw files."""

from __future__ import annotations

import json

import ignite.distributed
import numpy as np
import pytest
import torch
from bundles.quick import BUNDLE, QUICK
from monai.bundle import run
from monai.engines import SupervisedEvaluator, SupervisedTrainer
from raw_layouts import LAYOUTS

from monai_vlsm.data.phantom import write_phantom
from monai_vlsm.data.prepare.convert import prepare
from monai_vlsm.data.sets import BUNDLES, DATASETS
from monai_vlsm.networks import CLIPSegDenseAdapter


@pytest.fixture
def prepared(tmp_path):
    def make(name: str) -> str:
        out = tmp_path / "prepared"
        if name == "phantom":
            write_phantom(out, {"training": 8, "validation": 2, "test": 2}, progress=False)
        else:
            LAYOUTS[name](tmp_path / "raw", np.random.default_rng(0))
            prepare(name, [tmp_path / "raw"], out, "generated", progress=False)
        return str(out)

    return make


def train(root, dataset_dir: str, **overrides) -> dict[str, torch.Tensor]:
    run(
        run_id="training",
        config_file=str(root / "configs" / "train.json"),
        bundle_root=str(root),
        dataset_dir=dataset_dir,
        **{**QUICK, "val_interval": 1, **overrides},
    )
    return torch.load(root / "models" / "model.pt", weights_only=True)["model"]


def steps(root) -> int:
    """Return how often the optimizer of a training changed the adapters."""
    state = torch.load(root / "eval" / "training_state.pt", weights_only=True)["objects"]["optimizer"]["state"]
    return int(next(iter(state.values()))["step"])


@pytest.mark.parametrize("name", sorted(BUNDLES))
def test_a_bundle_trains_two_iterations_on_its_own_data(name, bundle, prepared):
    root = bundle(name)
    dataset_dir = prepared(name)
    entries = len(json.loads((root.parent / "prepared" / "datalist.json").read_text())["training"])
    saved = train(root, dataset_dir, **{"batch_size": -(-entries // 2), "train#trainer#max_epochs": 1})
    assert steps(root) == 2
    assert all(tensor.isfinite().all() for tensor in saved.values() if tensor.is_floating_point())


@pytest.fixture
def one_process_group(tmp_path, monkeypatch):
    for variable in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(variable, "0")
    store = (tmp_path / "store").as_uri()
    torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()
    ignite.distributed.sync()  # ignite remembers the group, also for the tests that follow


ENGINES = {
    ("train",): "train#trainer",
    ("train", "evaluate"): "validate#evaluator",
    ("train", "multi_gpu_train"): "train#trainer",
    ("inference",): "evaluator",
}


@pytest.mark.parametrize("files", ENGINES, ids=lambda names: names[-1])
def test_every_config_gives_an_engine(files, bundle, parse, phantom, one_process_group):
    root = bundle(BUNDLE)
    (root / "models").mkdir()
    torch.save({"model": CLIPSegDenseAdapter("tiny").state_dict()}, root / "models" / "model.pt")
    settings = {**QUICK, "device": torch.device("cpu")}
    parser = parse(root, *files, dataset_dir=phantom, images=f"{phantom}/images", **settings)
    engine = parser.get_parsed_content(ENGINES[files])
    assert isinstance(engine, SupervisedTrainer if ENGINES[files] == "train#trainer" else SupervisedEvaluator)


def test_a_trained_bundle_is_evaluated_on_another_data_set(bundle, prepared, tmp_path):
    root = bundle("kvasir_seg")
    train(root, prepared("kvasir_seg"))
    (tmp_path / "prepared").rename(tmp_path / "source")
    target = next(d for d in DATASETS.values() if d.evaluate_with == "kvasir_seg")
    LAYOUTS[target.name](tmp_path / "raw_target", np.random.default_rng(1))
    prepare(target.name, [tmp_path / "raw_target"], tmp_path / target.name, "generated", progress=False)
    run(
        run_id="evaluating",
        config_file=[str(root / "configs" / f"{part}.json") for part in ("train", "evaluate")],
        bundle_root=str(root),
        dataset_dir=str(tmp_path / target.name),
        output_dir=str(tmp_path / "evaluated"),
        **QUICK,
    )
    summary = json.loads((tmp_path / "evaluated" / "summary.json").read_text())
    assert summary["images"] == 4
    assert summary["dataset"].endswith(target.name)


@pytest.mark.parametrize(("fraction", "iterations"), [(1.0, 8), (0.5, 4), (0.1, 1)])
def test_train_fraction_trains_on_that_part(bundle, prepared, fraction, iterations):
    root = bundle("busi")
    dataset_dir = prepared("udiat")
    entries = len(json.loads((root.parent / "prepared" / "datalist.json").read_text())["training"])
    train(root, dataset_dir, batch_size=1, train_fraction=fraction)
    assert steps(root) == -(-entries * iterations // 8)
