"""The script that makes the published tables anew: what it does, does once, and how its numbers come about."""

import importlib
import json
import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from reports.tables import scores, write_run

from monai_vlsm import cluster
from monai_vlsm.data.phantom import write_phantom
from monai_vlsm.errors import DataError
from monai_vlsm.reports.runs import read_run

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
QUICK = ["--backbone", "tiny", "--image-size", "32", "--max-epochs", "1", "--batch-size", "4"]


@pytest.fixture(scope="module")
def script():
    """The modules of the script by their short names."""
    sys.path.insert(0, str(SCRIPTS))
    try:
        parts = {name: importlib.import_module(f"reproduce.{name}") for name in ("plan", "running", "tables")}
        yield SimpleNamespace(main=importlib.import_module("reproduce_paper").main, **parts)
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.fixture(scope="module")
def phantom(tmp_path_factory):
    """A small data set that takes the part of busi."""
    folder = tmp_path_factory.mktemp("data") / "phantom"
    write_phantom(folder, {"training": 6, "validation": 3, "test": 3}, progress=False)
    return folder


@pytest.fixture(scope="module")
def reproduced(script, phantom, tmp_path_factory):
    """The results of one network."""
    out = tmp_path_factory.mktemp("results") / "out"
    assert script.main(command(phantom, out)) == 0
    return out


@pytest.fixture
def results(reproduced, tmp_path):
    """A copy of them, to be changed."""
    return Path(shutil.copytree(reproduced, tmp_path / "out"))


@pytest.fixture
def started(script, monkeypatch):
    """What is trained or tested from now on, by its name, without doing it."""
    names = []

    def run(run_id, config_file, **values):
        names.append((run_id, values.get("resume")))
        raise DataError("not here")

    monkeypatch.setattr(script.running, "run", run)
    return names


def command(data, out, *more):
    return ["--datasets", f"busi={data}", "--methods", "dense", "--seeds", "41", "--out", str(out), *QUICK, *more]


def edit(path, change):
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


NETWORK = "busi/dense/seed41"


def test_a_network_is_trained_and_tested_at_three_kinds_of_prompts(reproduced):
    assert (reproduced / NETWORK / "models" / "model.pt").is_file()
    tests = {path.name for path in (reproduced / NETWORK / "eval").glob("busi_*")}
    assert tests == {"busi_p1", "busi_p6", "busi_random"}


def test_the_table_has_the_published_numbers_beside_own_ones(reproduced):
    row = (reproduced / "paper.md").read_text().splitlines()[2]
    own = read_run(reproduced / NETWORK / "eval" / "busi_p1").metrics["dice"].mean()
    assert row.startswith(f"| busi | dense | 65.02 / 57.20 / 64.37 | {100 * own:.2f} (")
    assert row.endswith("of 78 | 1 |")


def test_numbers_of_a_trial_are_marked(reproduced):
    text = (reproduced / "paper.md").read_text()
    assert "**Not comparable with what was published**: backbone tiny, max_epochs 1, image_size 32" in text


def test_what_is_finished_is_not_done_again(script, phantom, reproduced, started, capsys):
    assert script.main(command(phantom, reproduced)) == 0
    assert not started
    assert "was finished" in capsys.readouterr().out


def test_what_is_given_twice_is_done_and_counted_once(script, phantom, reproduced, started, capsys):
    assert script.main(command(phantom, reproduced, "--seeds", "41", "41", "--methods", "dense", "dense")) == 0
    assert "[1/1]" in capsys.readouterr().out


def remove(path):
    path.unlink()


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize("damage", [remove, cut])
@pytest.mark.parametrize("name", ["summary.json", "per_image.csv", "reproduce.json"])
def test_a_test_that_is_not_whole_is_done_again(script, phantom, results, started, name, damage):
    damage(results / NETWORK / "eval" / "busi_p6" / name)
    assert script.main(command(phantom, results)) == 1
    assert [name for name, _ in started] == ["evaluating"]


@pytest.mark.parametrize(("key", "value"), [("prompt_level", "p1"), ("split", "validation")])
def test_a_test_of_other_settings_is_done_again(script, phantom, results, started, key, value):
    edit(results / NETWORK / "eval" / "busi_p6" / "summary.json", lambda summary: summary.update({key: value}))
    assert script.main(command(phantom, results)) == 1
    assert [name for name, _ in started] == ["evaluating"]


def test_the_table_leaves_out_what_is_not_finished(script, phantom, results, started):
    remove(results / NETWORK / "eval" / "busi_p6" / "summary.json")
    script.main(command(phantom, results, "--table-only"))
    assert not started
    row = (results / "paper.md").read_text().splitlines()[2].split(" | ")
    assert row[4] == ""
    assert row[3] != ""


def test_weights_that_were_exchanged_are_trained_anew(script, phantom, results, started):
    cut(results / NETWORK / "models" / "model.pt")
    script.main(command(phantom, results))
    assert started == [("training", False)]


def test_a_training_that_was_stopped_goes_on(script, phantom, results, started):
    edit(results / NETWORK / "reproduce.json", lambda marker: marker.update(model=None))
    script.main(command(phantom, results))
    assert started == [("training", True)]


def test_a_network_of_other_settings_is_left_alone(script, phantom, results, started, capsys):
    before = (results / NETWORK / "models" / "model.pt").read_bytes()
    assert script.main(command(phantom, results, "--max-epochs", "2")) == 1
    assert not started
    assert "holds a network of other settings (max_epochs 1, not 2): give another --out" in capsys.readouterr().out
    assert (results / NETWORK / "models" / "model.pt").read_bytes() == before


def test_a_data_set_that_was_changed_is_another_one(script, phantom, results, started, tmp_path, capsys):
    data = Path(shutil.copytree(phantom, tmp_path / "phantom"))
    edit(data / "datalist.json", lambda content: content["training"][0]["prompts"].update(p1=["another"]))
    assert script.main(command(data, results)) == 1
    assert "of other settings (data " in capsys.readouterr().out
    assert not started


def test_a_data_set_that_was_moved_is_the_same(script, phantom, reproduced, started, tmp_path):
    assert script.main(command(shutil.copytree(phantom, tmp_path / "moved"), reproduced)) == 0
    assert not started


def test_a_network_that_fails_does_not_stop_the_others(script, phantom, tmp_path, started, capsys):
    given = command(phantom, tmp_path / "out")
    assert script.main([*given, "--seeds", "41", "42"]) == 1
    assert len(started) == 2
    assert "failed: busi/dense/seed42: not here" in capsys.readouterr().out


def test_ray_does_what_one_process_does(script, phantom, results, started, monkeypatch, capsys):
    """Ray itself is left out: parts are sent as it sends them."""
    cloudpickle = pytest.importorskip("ray.cloudpickle")

    def sent(function, parts, chosen, surroundings):
        for part in parts:
            answer, failure = cluster.answer_to(*cloudpickle.loads(cloudpickle.dumps((function, part, surroundings))))
            yield part, answer, failure

    monkeypatch.setattr(script.running, "each", sent)
    monkeypatch.setattr(script.running, "cluster", lambda address: nullcontext())
    monkeypatch.setattr(script.running, "pool", lambda workers: None)
    table = (results / "paper.md").read_text()
    assert script.main(command(phantom, results, "--engine", "ray")) == 0
    assert "was finished" in capsys.readouterr().out
    assert (results / "paper.md").read_text() == table
    assert script.main(command(phantom, results, "--engine", "ray", "--seeds", "41", "42")) == 1
    assert started == [("training", False)]
    assert "failed: busi/dense/seed42: not here" in capsys.readouterr().out


# The plan


def test_the_richest_prompts_are_those_that_all_test_entries_have(script, phantom, tmp_path):
    data = Path(shutil.copytree(phantom, tmp_path / "phantom"))
    edit(data / "datalist.json", lambda content: content["test"][0]["prompts"].pop("p6"))
    assert (script.plan.richest_level(phantom), script.plan.richest_level(data)) == ("p6", "p5")


def test_medclipseg_trains_on_parts_and_tests_all_on_other_sets(script, phantom):
    protocol, folders = script.plan.PROTOCOLS["medclipseg"], dict.fromkeys(("busi", "udiat", "kvasir_seg"), phantom)
    planned = list(script.plan.cells(protocol, folders, ["dense"], [41]))
    assert [cell.name for cell in planned if cell.dataset == "busi"] == [
        f"busi/dense/seed41{part}" for part in ("_0.1", "_0.25", "_0.5", "")
    ]
    assert {cell.dataset for cell in planned} == {"busi", "kvasir_seg"}, "udiat is for tests only"
    tested = [list(script.plan.tests(protocol, folders, cell)) for cell in planned[2:4]]
    assert tested == [[("busi", "p2")], [("busi", "p2"), ("udiat", "p2")]]


def test_prompts_that_mislead_on_purpose_are_no_richest_level(script, phantom, tmp_path):
    data = Path(shutil.copytree(phantom, tmp_path / "busi"))
    edit(
        data / "datalist.json",
        lambda content: content.update(description="monai_vlsm busi, prompts medclipseg, split x"),
    )
    with pytest.raises(DataError, match=r"the prompts of the paper in .*, got those of MedCLIPSeg"):
        script.plan.chosen_folders(script.plan.PROTOCOLS["paper"], tmp_path, None)


def test_without_data_the_way_to_them_is_told(script, tmp_path):
    with pytest.raises(DataError, match="python -m monai_vlsm prepare kvasir_seg --source"):
        script.plan.chosen_folders(script.plan.PROTOCOLS["paper"], tmp_path, None)


def test_an_unknown_data_set_is_named(script, tmp_path):
    with pytest.raises(DataError, match="there is no data set 'kvasir'"):
        script.plan.chosen_folders(script.plan.PROTOCOLS["paper"], tmp_path, ["kvasir"])


# The tables


class Done:
    """Finished tests by network, data set and level."""

    def __init__(self, runs):
        self.runs = runs

    def result(self, cell, dataset, level):
        return self.runs.get((cell.name, dataset, level))


@pytest.fixture
def run(tmp_path):
    def make(name, dice, **columns):
        options = {"iou": dice, "hd95": [2.0] * len(dice), "metrics": ("dice", "iou", "hd95"), **columns}
        return read_run(write_run(tmp_path / name, dice, **options))

    return make


def test_seeds_are_averaged_case_by_case(script, run):
    runs = [run("a", [0.5, 0.7], hd95=[1, "nan"]), run("b", [0.7, 0.9], hd95=["nan", "nan"])]
    assert script.tables.over_seeds(runs, "dice") == pytest.approx([0.6, 0.8])
    np.testing.assert_array_equal(script.tables.over_seeds(runs, "hd95"), [1, np.nan])


def test_seeds_on_other_images_are_not_averaged(script, run):
    with pytest.raises(DataError, match="expected tests on the same images"):
        script.tables.over_seeds([run("a", [0.5, 0.7]), run("b", [0.5, 0.7, 0.9])], "dice")


def test_a_row_says_how_many_seeds_are_there(script, run):
    level = run("a", [0.5, 0.7, 0.6])
    done = Done({("busi/dense/seed41", "busi", name): level for name in ("p1", "p6", "random")})
    row = script.tables.paper_table(done, ["busi"], ["dense"], [41, 42, 43], {"busi": "p6"}).splitlines()[2]
    assert row.split(" | ")[5].endswith(" / 60.00 / 2.00")
    assert row.endswith("| 3 of 78 | 1 of 3 |")


def test_a_method_that_nobody_published_has_no_published_numbers(script):
    row = script.tables.paper_table(Done({}), ["busi"], ["full"], [41], {"busi": "p6"}).splitlines()[2]
    assert row == "| busi | full |  |  |  |  |  | 0 of 1 |"


def test_the_mean_of_sets_needs_all_of_them(script, run):
    whole = {
        ("busi/dense/seed41", "busi", "p2"): run("a", scores(20)),
        ("eus/dense/seed41", "eus", "p2"): run("b", scores(20, 1)),
    }
    parts = {key: value for key, value in whole.items() if key[1] == "busi"}
    last = [
        script.tables.efficiency_table(Done(runs), ["busi", "eus"], ["dense"], [41]).splitlines()[-1]
        for runs in (whole, parts)
    ]
    expected = 50 * (scores(20).mean() + scores(20, 1).mean())
    assert last[0].startswith(f"| ours, dense, mean of these 2 sets |  |  |  | {expected:.2f} (")
    assert last[1] == "| ours, dense, mean of these 2 sets |  |  |  |  |"


def test_a_network_on_another_set_stands_beside_what_was_published(script, run):
    done = Done({("busi/dense/seed41", "udiat", "p2"): run("a", [0.5, 0.7, 0.6])})
    rows = script.tables.generalization_table(done, {"busi": ["udiat"]}, ["dense"], [41]).splitlines()
    assert rows[2] == "| busi | busi | 80.95 | 80.90 | 85.72 |  |"
    assert rows[3].startswith("| busi | udiat | 56.67 | 69.16 | 74.64 | 60.00 (")
