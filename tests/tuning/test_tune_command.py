"""The command on Ray: killed, run again, and its best trial trained once more by its override."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from bundles.quick import BUNDLE, ROOT
from monai.bundle import ConfigWorkflow
from optuna.trial import TrialState
from tuning.conftest import SPACE, one_after_the_other

from monai_vlsm import networks
from monai_vlsm.__main__ import main
from monai_vlsm.bundle.released import OWN_BACKBONE
from monai_vlsm.errors import DataError, UserError
from monai_vlsm.tuning import search as searching
from monai_vlsm.tuning.study import JOURNAL, open_study

pytest.importorskip("ray")
LISTENS = "0A"
LOOPBACK = ("0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000")


def command(bundle, phantom, folder, *more) -> list[str]:
    space = folder / "space.json"
    space.write_text(json.dumps({**SPACE, "max_epochs": 6}))
    return ["tune", str(bundle), "--space", str(space), "--data", str(phantom), "--out", str(folder / "out"), *more]


def processes(group: int) -> dict[int, int]:
    """Return the processes that a command started, itself among them, by their session, and how nice each is."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == group and fields[0] != "Z":
            found[int(path.parent.name)] = int(fields[16])
    return found


def listening(processes) -> list[str]:
    """Return the addresses, in hexadecimal, at which processes wait for connections."""
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    addresses = {f"socket:[{line[9]}]": line[1].partition(":")[0] for line in lines if line[3] == LISTENS}
    found = []
    for link in (link for process in processes for link in Path(f"/proc/{process}/fd").glob("*")):
        with suppress(OSError):  # closed meanwhile
            found.append(addresses.get(os.readlink(link)))
    return [address for address in found if address]


def stop():
    raise KeyboardInterrupt


def trials(out) -> list:
    return open_study(out).trials


def second_is_under_way(out, copy) -> bool:
    """Look at a copy of the journal: the search may be stopped while it has the lock."""
    if not (out / JOURNAL).exists():
        return False
    shutil.copy(out / JOURNAL, copy / JOURNAL)
    last = [trial for trial in trials(copy) if trial.number][-1:]
    return any(trial.state == TrialState.RUNNING and trial.intermediate_values for trial in last)


@pytest.fixture(scope="module")
def killed(tmp_path_factory, phantom) -> SimpleNamespace:
    """A search of many trials on Ray, which is killed once the first is finished and the second has begun."""
    folder, copy = tmp_path_factory.mktemp("killed"), tmp_path_factory.mktemp("copy")
    bundle = shutil.copytree(ROOT / "bundles" / BUNDLE, folder / "bundle")
    line = command(bundle, phantom, folder, "--workers", "1", "--trials")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = {**inherited, "PYTHONPATH": str(ROOT), "HOME": str(folder / "nowhere")}
    search = [sys.executable, "-m", "monai_vlsm", *line, "1000"]
    driver = subprocess.Popen(search, env=environment, start_new_session=True)
    try:
        driver.send_signal(signal.SIGSTOP)
        while not second_is_under_way(folder / "out", copy):
            driver.send_signal(signal.SIGCONT)
            time.sleep(0.2)
            assert driver.poll() is None
            driver.send_signal(signal.SIGSTOP)
        niceness = processes(driver.pid)
        addresses = listening(niceness)
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.wait()
    return SimpleNamespace(folder=folder, bundle=bundle, addresses=addresses, niceness=niceness, line=line)


def test_ray_listens_on_the_loopback_alone(killed):
    assert killed.addresses
    assert set(killed.addresses) <= set(LOOPBACK)


def test_workers_are_as_urgent_as_other_processes(killed):
    """Beside other work they would hardly get on."""
    assert set(killed.niceness.values()) == {os.getpriority(os.PRIO_PROCESS, 0)}


def test_nothing_is_written_into_the_home_of_the_user(killed):
    assert not (killed.folder / "nowhere").exists()


def test_a_killed_search_goes_on_and_its_best_is_trained_again(killed, monkeypatch, capsys):
    out = killed.folder / "out"
    before = [trial.state for trial in trials(out)]
    assert before[0] == TrialState.COMPLETE
    assert before[-1] == TrialState.RUNNING
    finished = (out / "trials" / "000" / "log.txt").stat().st_mtime_ns
    monkeypatch.setattr(searching, "each", one_after_the_other)
    monkeypatch.setattr(searching, "cluster", lambda address: nullcontext())
    monkeypatch.setattr(searching, "pool", lambda workers: searching.Pool(1, 1, 0))
    assert main([*killed.line, str(len(before) + 1)]) == 0
    assert (out / "trials" / "000" / "log.txt").stat().st_mtime_ns == finished
    assert len(trials(out)) == len(before) + 1
    assert all(trial.state.is_finished() for trial in trials(out))
    assert "monai.bundle run training" in capsys.readouterr().out
    files = [str(killed.bundle / "configs" / "train.json"), str(out / "best.json")]
    workflow = ConfigWorkflow(files, run_id="training", logging_file=False)
    workflow.initialize()
    workflow.run()
    assert workflow.evaluator.state.best_metric == max(
        trial.value for trial in trials(out) if trial.state == TrialState.COMPLETE
    )


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        ({"network": "$__import__('os').abort()"}, [], "was refused, and nothing in it was run"),
        ({"method": None}, ["--trust"], "has no key 'method'"),
        ({"max_epochs": "$3"}, ["--trust"], "'max_epochs' must be a whole number"),
        ({}, ["--data", "/nowhere"], "/nowhere"),
        ({}, ["--seed", "-1"], "'seed' must be a whole number"),
    ],
)
def test_what_cannot_be_searched_is_told_before_anything_is_written(tmp_path, phantom, change, more, message):
    bundle = shutil.copytree(ROOT / "bundles" / BUNDLE, tmp_path / "bundle")
    path = bundle / "configs" / "train.json"
    config = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None or key not in change}))
    with pytest.raises(UserError, match=message):
        main(command(bundle, phantom, tmp_path, "--trials", "1", *more))
    assert not (tmp_path / "out").exists()


def test_trials_have_folders_of_their_own_and_the_backbone_of_the_bundle(tmp_path, phantom, monkeypatch):
    """A stranger's output_dir would let each trial go on from the one before, with another learning rate."""
    bundle = shutil.copytree(ROOT / "bundles" / BUNDLE, tmp_path / "bundle")
    shutil.copytree(Path(networks.__file__).parent / "tiny", bundle / "models" / "backbone")
    path = bundle / "configs" / "train.json"
    changed = {"output_dir": "results", "cache_dir": "kept", "backbone": OWN_BACKBONE}
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    found = []
    monkeypatch.setattr(searching, "run_search", lambda search, *rest: found.append(search) or stop())
    line = command(bundle, phantom, tmp_path, "--trials", "1")
    space = json.loads((tmp_path / "space.json").read_text())
    del space["backbone"]
    (tmp_path / "space.json").write_text(json.dumps(space))
    with pytest.raises(KeyboardInterrupt):
        main(line)
    (search,) = found
    assert search.config["backbone"] == str(bundle / "models" / "backbone")
    assert "@bundle_root" in search.config["output_dir"]
    assert "@bundle_root" in search.config["cache_dir"]


@pytest.mark.parametrize("package", ["ray", "optuna"])
def test_without_its_packages_it_says_how_to_get_them(monkeypatch, phantom, tmp_path, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(DataError, match=r'pip install "monai_vlsm\[ray\]"'):
        main(command(ROOT / "bundles" / BUNDLE, phantom, tmp_path, "--trials", "1"))
