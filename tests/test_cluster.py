"""What Ray is begun with, and what stays behind; tasks on a real cluster are in tests/predicting and tests/tuning."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

from monai_vlsm import cluster as clusters
from monai_vlsm.cluster import Surroundings, pool
from monai_vlsm.errors import DataError


@pytest.fixture
def nodes(monkeypatch):
    """Pretend that a cluster has machines with these resources."""

    def are(*resources):
        found = [{"Alive": True, "Resources": part} for part in resources]
        monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(nodes=lambda: found))

    return are


@pytest.mark.parametrize(
    ("machines", "workers", "size", "cores"),
    [
        ([{"CPU": 2}], None, 1, 2),
        ([{"CPU": 16}], None, 4, 4),
        ([{"CPU": 16}], 3, 3, 5),
        ([{"CPU": 8}, {"CPU": 3}], 3, 3, 3),
        ([{"CPU": 8}, {}], 8, 8, 1),
        ([{"CPU": 16, "GPU": 2}, {"CPU": 16, "GPU": 2}], None, 4, 8),
    ],
)
def test_a_worker_has_its_cores_on_one_machine(nodes, machines, workers, size, cores):
    nodes(*machines)
    found = pool(workers)
    assert (found.size, found.cores) == (size, cores)


def test_more_workers_than_cores_are_refused(nodes):
    nodes({"CPU": 2}, {"CPU": 1})
    with pytest.raises(DataError, match="4 workers need 4 cores, the cluster has 3"):
        pool(4)


def test_workers_beside_each_other_share_gpus(nodes):
    nodes({"CPU": 8, "GPU": 1})
    assert pool(2).gpus == 0.5


def test_records_are_private_and_go_at_the_end(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with clusters._records() as folder:
        assert folder.parent.parent == tmp_path
        assert folder.parent.stat().st_mode & 0o077 == 0
    assert not [*tmp_path.iterdir()]


def test_records_of_killed_processes_go_and_those_of_others_stay(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    for name in ("monai_vlsm_ray_dead", "monai_vlsm_ray_lives", "other"):
        (tmp_path / name / "r").mkdir(parents=True)
    (tmp_path / "monai_vlsm_ray_link").symlink_to(tmp_path / "other")
    with FileLock(tmp_path / "monai_vlsm_ray_lives" / "lock"), clusters._records():
        left = {path.name for path in tmp_path.iterdir()} - {"other", "monai_vlsm_ray_link", "monai_vlsm_ray_lives"}
    assert len(left) == 1, "the new one"
    assert "monai_vlsm_ray_dead" not in left
    assert (tmp_path / "other" / "r").is_dir()


def test_records_that_another_process_removes_meanwhile_do_not_matter(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(Path, "glob", lambda folder, pattern: [folder / "monai_vlsm_ray_gone"])
    with clusters._records() as folder:
        assert folder.parent.is_dir()


@pytest.mark.parametrize("mode", [None, "disabled"])
def test_the_token_of_a_run_goes_at_its_end_and_gives_way_to_the_users_choice(monkeypatch, mode):
    monkeypatch.delenv("RAY_AUTH_TOKEN", raising=False)
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    if mode:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    before = dict(os.environ)
    with clusters._token():
        assert ("RAY_AUTH_TOKEN" in os.environ) == (mode is None)
    assert dict(os.environ) == before


def test_no_place_for_records_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match=r"nowhere.*RAY_TMPDIR"), clusters._records():
        pass


def test_what_a_dead_machine_had_to_do_fails_and_the_rest_goes_on(monkeypatch):
    ray = pytest.importorskip("ray")
    results = {"a": ray.exceptions.NodeDiedError(""), "b": ray.exceptions.WorkerCrashedError(), "c": (1, "")}

    def get(item):
        if isinstance(results[item], Exception):
            raise results[item]
        return results[item]

    task = SimpleNamespace(remote=lambda function, item, surroundings: item)
    monkeypatch.setattr(ray, "remote", lambda **options: lambda function: task)
    monkeypatch.setattr(ray, "wait", lambda running: (running, []))
    monkeypatch.setattr(ray, "get", get)
    answers = [*clusters.each(print, "abc", clusters.Pool(2, 1, 0), Surroundings.here())]
    assert [(item, answer) for item, answer, _ in answers] == [("a", None), ("b", None), ("c", 1)]
    assert [failure.partition(":")[0] for *_, failure in answers] == ["its process died"] * 2 + [""]


def test_a_worker_works_where_the_run_was_started(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MONAI_VLSM_BACKBONE", "tiny")
    there = Surroundings.here()
    monkeypatch.chdir("/")
    monkeypatch.delenv("MONAI_VLSM_BACKBONE")
    there.enter()
    assert (Path.cwd(), os.environ["MONAI_VLSM_BACKBONE"]) == (tmp_path, "tiny")


def test_a_worker_of_another_version_does_not_begin():
    answer, failure = clusters.answer_to(print, 1, Surroundings(".", {}, "9.9"))
    assert answer is None
    assert "9.9 where it was started" in failure
