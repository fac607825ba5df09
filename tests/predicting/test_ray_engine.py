"""Ray gives what one process gives, whatever dies; the tests share one small cluster."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from secrets import token_hex

import numpy as np
import pytest
from PIL import Image
from predicting.conftest import read_results
from predicting.ray_workers import POISON, DiesOnce, Pretends, count_or_die

from monai_vlsm.__main__ import main
from monai_vlsm.cluster import NICENESS, Pool, Surroundings, each, share
from monai_vlsm.errors import DataError
from monai_vlsm.predicting import ray_engine
from monai_vlsm.predicting.jobs import make_jobs
from monai_vlsm.predicting.ray_engine import Setting, Worker, run_ray
from monai_vlsm.predicting.records import read_record, record_path, unfinished
from monai_vlsm.predicting.sources import find_sources

ray = pytest.importorskip("ray")
ROOT = Path(__file__).resolve().parents[2]
HERE = Surroundings.here()
PATH = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"


@pytest.fixture(scope="module")
def cluster():
    """Two cores of this machine; the address."""
    options = {"include_dashboard": False, "object_store_memory": 80 << 20, "log_to_driver": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", PATH)
        patch.setenv(*NICENESS)
        patch.setenv("RAY_AUTH_TOKEN", token_hex())  # it would write one into the home
        yield ray.init("local", num_cpus=2, **options).address_info["gcs_address"]
        ray.shutdown()
    os.environ.pop("RAY_AUTH_MODE", None)  # which it has set, and with which other clusters would write theirs


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Twelve images in two folders, one of them damaged."""
    folder, random = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    (folder / "more").mkdir()
    for number in range(12):
        place = folder / ("more" if number % 2 else "") / f"{number}.png"
        Image.fromarray(random.integers(0, 256, (60 + number, 80), dtype=np.uint8)).save(place)
    content = (folder / "4.png").read_bytes()
    (folder / "4.png").write_bytes(content[:200])
    return folder


@pytest.fixture
def jobs(images) -> list:
    return make_jobs(find_sources([images]), ["a lesion", "nothing"])


def predict(images, bundle, out, *options) -> int | None:
    asked = [str(images), f"file://{images / '0.png'}", "--prompt", "a lesion", "--prompt", "a bright ring"]
    wanted = ["--bundle", str(bundle), "--out", str(out), "--label-map", "--threads", "1"]
    return main(["predict", *asked, *wanted, *options])


def table(out: Path) -> list[dict[str, str]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in read_results(out)]


def files(out: Path) -> dict[str, object]:
    """Return the content of all files but the table; records without the time that they took."""
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    del found["results.csv"]
    records = {name: json.loads(content) for name, content in found.items() if name.endswith(".json")}
    assert records
    return found | {name: {**record, "seconds": None} for name, record in records.items()}


def test_files_and_table_are_those_of_one_process(cluster, images, bundle, tmp_path):
    assert predict(images, bundle, tmp_path / "ray", "--engine", "ray", "--workers", "2") == 1
    assert predict(images, bundle, tmp_path / "local") == 1
    assert len(table(tmp_path / "local")) == 26
    assert table(tmp_path / "ray") == table(tmp_path / "local")
    assert files(tmp_path / "ray") == files(tmp_path / "local")


def test_a_killed_worker_costs_nothing_and_an_image_that_kills_is_named(cluster, jobs, plan, monkeypatch):
    """One worker is killed between two images; with the image ``poison`` two died before, and one more does."""
    monkeypatch.setattr(ray_engine, "Worker", DiesOnce)
    poison = replace(jobs[7], source=replace(jobs[7].source, name=POISON))
    given = [*jobs[:7], poison, *jobs[8:]]
    begun = record_path(poison, plan).with_suffix(".begun")
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"..")
    run_ray(given, plan, workers=2)
    assert Path(f"{plan.out} died").exists()
    assert unfinished(given, plan) == [poison]
    assert (read_record(poison, plan) or {})["error"] == "3 processes died with this image"
    assert not [*plan.folder.rglob("*.begun")]


DRIVER = """
import pickle, sys
import ray
from predicting.ray_workers import Pretends
from monai_vlsm.predicting import ray_engine
ray_engine.Worker = Pretends
ray_engine.run_ray(*pickle.loads(bytes.fromhex(sys.argv[1])), sys.argv[2], 1)
"""


def test_after_the_run_was_killed_another_one_does_the_rest_and_no_more(cluster, jobs, plan, tmp_path, monkeypatch):
    argument = pickle.dumps((jobs, plan)).hex()
    command = [sys.executable, "-c", DRIVER, argument, cluster]
    driver = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": PATH}, stderr=subprocess.DEVNULL)
    while len(unfinished(jobs, plan)) > 9:
        assert driver.poll() is None
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    left = unfinished(jobs, plan)
    assert left
    monkeypatch.setattr(ray_engine, "Worker", Pretends)
    run_ray(left, plan, workers=1)
    assert not unfinished(jobs, plan)
    assert len(Path(f"{plan.out} notes").read_text().split()) <= len(jobs) + 1  # the one that it was at


def test_what_makes_all_images_impossible_ends_the_run(cluster, jobs, plan, monkeypatch):
    monkeypatch.setattr(ray_engine, "_answers", lambda *given: iter(["", "no room for the network"]))
    begun = record_path(jobs[0], plan).with_suffix(".begun")
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b".")
    with pytest.raises(DataError, match="no room for the network"):
        run_ray(jobs, plan, workers=1)
    assert not begun.exists(), "the image would be taken for the cause after three such runs"


def test_tasks_that_die_or_fail_are_told_and_the_rest_go_on(cluster):
    found = {item: (answer, failure) for item, answer, failure in each(count_or_die, range(4), Pool(1, 1, 0), HERE)}
    assert found.keys() == {0, 1, 2, 3}
    assert (found[0], found[3]) == ((0, ""), (3, ""))
    assert found[1][1].startswith("its process died: ")
    assert found[2] == (None, "MemoryError: no room")


def test_an_error_that_is_not_about_the_image_is_a_failure_of_the_run(plan, jobs, monkeypatch):
    def fill(*given):
        raise MemoryError("no room")

    monkeypatch.setattr(Worker, "segment", fill)
    (failure,) = answers(plan, jobs[0])
    assert failure.startswith("MemoryError: no room (on ")


def test_more_workers_than_there_are_cores_are_refused(cluster, jobs, plan):
    with pytest.raises(DataError, match="2 workers of 2 threads need 4 cores, the cluster has 2"):
        run_ray(jobs, plan, workers=2, threads=2)


@pytest.mark.parametrize(("gpus", "size"), [(1, 1), (2, 1), (1, 6), (2, 3), (4, 5)])
def test_all_workers_find_room_on_the_gpus(gpus, size):
    part = share(gpus, size)
    assert 0 < part <= 1
    assert gpus * int(1 / part) >= size
    assert round(part, 4) == part


def test_without_a_gpu_workers_take_none():
    assert share(0, 3) == 0


def answers(plan, job, **changed) -> list[str]:
    """Return what a worker, in this process, says about an image."""
    worker = Worker(Setting(plan, 1, replace(HERE, **changed)))
    return worker({"job": [pickle.dumps(job)]})["failure"]


def test_a_worker_of_another_version_does_not_begin(plan, jobs):
    (failure,) = answers(plan, jobs[0], version="9.9")
    assert "9.9 where it was started" in failure


def test_a_worker_with_another_bundle_does_not_begin(plan, jobs):
    (failure,) = answers(replace(plan, fingerprint="0"), jobs[0])
    assert "is another one than where it was started" in failure


def test_a_worker_leaves_alone_what_is_finished(plan, jobs, monkeypatch):
    assert answers(plan, jobs[0]) == [""]
    monkeypatch.setattr(Worker, "segment", None)
    assert answers(plan, jobs[0]) == [""]


def test_a_worker_that_lived_longer_than_its_run_leaves_the_folder_alone(plan, jobs):
    (failure,) = answers(replace(plan, owner="a run that was killed"), jobs[0])
    assert "has ended: nothing more is written" in failure
    assert not plan.folder.exists()


def test_one_gpu_of_several_is_refused(plan, jobs):
    with pytest.raises(DataError, match=r"'cuda:1' is one of several: say --device cuda"):
        run_ray(jobs, replace(plan, device="cuda:1"))


def test_an_image_that_kills_is_not_tried_again_in_the_same_run(plan, jobs, monkeypatch):
    begun = record_path(jobs[0], plan).with_suffix(".begun")
    begun.parent.mkdir(parents=True)
    begun.write_bytes(b"...")
    monkeypatch.setattr(Worker, "segment", None)
    for _ in range(2):
        assert answers(plan, jobs[0]) == [""]
        assert (read_record(jobs[0], plan) or {})["error"] == "3 processes died with this image"


def test_without_ray_it_says_how_to_get_it(jobs, plan, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DataError, match=r'pip install "monai_vlsm\[ray\]"'):
        run_ray(jobs, plan)


@pytest.mark.parametrize(
    ("address", "message"),
    [("here:1", r"no Ray cluster at 'here:1' \(nobody there\): 'ray start --head'"), (None, "Ray did not start here")],
)
def test_a_cluster_that_is_not_there_is_told(jobs, plan, monkeypatch, address, message):
    def refuse(**options):
        raise ConnectionError("nobody there")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(DataError, match=message):
        run_ray(jobs, plan, address)
