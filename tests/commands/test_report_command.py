"""``python -m monai_vlsm report``: a whole page, and what happens to files that are there."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from reports.small_bundle import write_bundle, write_data, write_evaluation
from reports.tables import SETTINGS, everything

from monai_vlsm.__main__ import main
from monai_vlsm.bundle import refuse_foreign_code
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.networks import CLIPSegDenseAdapter

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bundle, its data set, and two runs."""
    folder = tmp_path_factory.mktemp("report")
    data = write_data(folder / "data" / "busi")
    bundle = write_bundle(folder / "bundles" / "busi", CLIPSegDenseAdapter("tiny").state_dict())
    write_evaluation(bundle, data, presence=[0.9] * 4, agreement=[0.9, 0.2, 0.8, 0.4])
    write_evaluation(bundle, data, "test_p6", {**SETTINGS, "prompt_level": "p6"})
    return folder


@pytest.fixture
def bundle(made, tmp_path, monkeypatch):
    monkeypatch.chdir(made)
    return shutil.copytree(made / "bundles" / "busi", tmp_path / "busi")


def report(bundle, *options):
    return main(["report", str(bundle), "--backbone", "tiny", *map(str, options)])


def test_a_report_is_one_page_and_the_numbers_in_the_readme(bundle, capsys):
    assert report(bundle) == 0
    page = (bundle / "eval" / "report.html").read_text(encoding="utf-8")
    assert re.findall(r"<h2[^>]*>([^<]+)</h2>", page) == [
        "At a glance", "Data", "Results", "Calibration", "Is it there at all?", "Which cases to look at",
        "Does it follow the prompt?", "Worst and best cases", "How it was made",
    ]  # fmt: skip
    assert page.count('src="data:image/jpeg') == 4, "four cases show the target"
    assert page.index("test_p1") < page.index("test_p6")
    assert "| test_p6 | test | p6 |" in (bundle / "docs" / "README.md").read_text(encoding="utf-8")
    assert "it shows pictures of the data set" in capsys.readouterr().out


def test_the_same_runs_give_the_same_files(bundle):
    report(bundle)
    once = everything(bundle)
    report(bundle)
    assert everything(bundle) == once


def test_a_bundle_with_a_report_is_still_one_that_is_trusted(bundle):
    report(bundle)
    refuse_foreign_code(bundle)


def test_the_readme_is_left_alone_where_that_is_asked(bundle):
    before = (bundle / "docs" / "README.md").read_bytes()
    report(bundle, "--no-readme")
    assert (bundle / "docs" / "README.md").read_bytes() == before


def test_the_first_run_that_is_named_is_shown_in_detail(bundle, tmp_path):
    report(bundle, "--run", bundle / "eval" / "test_p6", bundle / "eval" / "test_p1", "--out", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "4 cases of the split test, prompts p6" in page
    assert not (bundle / "eval" / "report.html").exists()


def test_what_is_not_there_is_named_with_its_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    bundle = write_bundle(tmp_path / "bundles" / "busi")
    before = everything(bundle)
    assert main(["report", "busi"]) == 0
    page = (bundle / "eval" / "report.html").read_text(encoding="utf-8")
    for command in ("prepare busi", "run evaluating", "run training"):
        assert f"python -m monai{'_vlsm' if command.startswith('prepare') else '.bundle'} {command}" in page
    assert everything(bundle).keys() - before.keys() == {"eval/report.html"}
    assert everything(bundle)["docs/README.md"] == before["docs/README.md"], "there are no numbers to fill in"


@pytest.mark.parametrize(
    ("file", "content", "error"),
    [
        ("eval/test_p1/summary.json", '{"images": 3}', "of two runs"),
        ("eval/test_p1/summary.json", "[" * 10_000, "no JSON"),
        ("eval/test_p1/per_image.csv", "image\n", "missing"),
        ("models/calibration.json", "{}", "is no calibration"),
        ("docs/README.md", "<!-- end of performance -->", "mend these lines"),
    ],
)
def test_a_damaged_file_is_named_and_nothing_is_written(bundle, file, content, error):
    (bundle / file).write_text(content)
    before = everything(bundle)
    with pytest.raises(DataError, match=error):
        report(bundle)
    assert everything(bundle) == before


def test_a_data_set_that_was_asked_for_must_be_there(bundle, tmp_path):
    with pytest.raises(MissingFileError, match="expected the data set"):
        report(bundle, "--dataset-dir", tmp_path / "gone")


def test_a_page_that_cannot_be_written_leaves_the_readme_alone(bundle, tmp_path):
    before = (bundle / "docs" / "README.md").read_bytes()
    (tmp_path / "taken").mkdir()
    with pytest.raises(DataError, match="cannot write"):
        report(bundle, "--out", tmp_path / "taken")
    assert (bundle / "docs" / "README.md").read_bytes() == before


def test_texts_of_strangers_stay_texts(bundle, made):
    metadata = bundle / "configs" / "metadata.json"
    told = json.loads(metadata.read_text(encoding="utf-8"))
    metadata.write_text(json.dumps({**told, "name": HOSTILE, "task": HOSTILE, "intended_use": HOSTILE}))
    settings = {**SETTINGS, "split": HOSTILE, "made_with": {"command": HOSTILE, "versions": {HOSTILE: HOSTILE}}}
    write_evaluation(bundle, made / "data" / "busi", settings=settings, prompt=[HOSTILE] * 4)
    (bundle / "docs" / "data_license.txt").write_text(HOSTILE)
    report(bundle)
    page = (bundle / "eval" / "report.html").read_text(encoding="utf-8")
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_a_run_on_other_files_is_not_drawn_but_told(bundle, tmp_path):
    names = [f"/etc/{number}.png" for number in range(90, 94)]
    write_evaluation(bundle, tmp_path, image=names, label=names, prompt=list("abcd"))
    report(bundle)
    page = (bundle / "eval" / "report.html").read_text(encoding="utf-8")
    assert "The cases could not be drawn" in page
    assert "data:image" not in page.partition("<body>")[2]
