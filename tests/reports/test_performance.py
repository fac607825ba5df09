"""Tests of what goes into a bundle's README."""

from __future__ import annotations

import pytest
from reports.small_bundle import BUNDLES, write_evaluation
from reports.tables import SETTINGS

from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.reports.bundle_facts import read_bundle
from monai_vlsm.reports.performance import BEGIN, END, filled_readme, performance
from monai_vlsm.reports.runs import read_run


def readme(tmp_path, text):
    path = tmp_path / "README.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_text_between_the_marks_is_replaced_and_nothing_else(tmp_path):
    path = readme(tmp_path, f"a\n\n{BEGIN}\nold\n{END}\n\nz\n")
    assert filled_readme(path, "new") == f"a\n\n{BEGIN}\n\nnew\n\n{END}\n\nz\n"


def test_filling_twice_is_filling_once(tmp_path):
    path = readme(tmp_path, (BUNDLES / "busi" / "docs" / "README.md").read_text(encoding="utf-8"))
    once = filled_readme(path, "numbers")
    assert "no numbers here" not in once
    assert filled_readme(readme(tmp_path, once), "numbers") == once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("## Performance\n\nmine\n", f"## Performance\n\n{BEGIN}\n\nnew\n\n{END}\n\nmine\n"),
        ("mine\n", f"mine\n\n## Performance\n\n{BEGIN}\n\nnew\n\n{END}\n"),
    ],
    ids=["of an older version", "without the section"],
)
def test_a_readme_without_marks_keeps_its_text(tmp_path, text, expected):
    assert filled_readme(readme(tmp_path, text), "new") == expected


@pytest.mark.parametrize("text", [BEGIN, END, f"{END}{BEGIN}", f"{BEGIN}{END}{BEGIN}{END}"])
def test_marks_that_are_no_pair_are_refused(tmp_path, text):
    with pytest.raises(DataError, match="mend these lines"):
        filled_readme(readme(tmp_path, text), "new")


def test_a_readme_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "link.md").symlink_to(readme(tmp_path, "a"))
    with pytest.raises(DataError, match="is a link"):
        filled_readme(tmp_path / "link.md", "new")


def test_a_missing_readme_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"README\.md"):
        filled_readme(tmp_path / "README.md", "new")


def test_other_bytes_than_text_are_refused(tmp_path):
    (tmp_path / "README.md").write_bytes(b"\xff")
    with pytest.raises(DataError, match="UTF-8"):
        filled_readme(tmp_path / "README.md", "new")


def test_numbers_have_their_intervals_and_folders_of_persons_stay_out(bundle, data):
    settings = {**SETTINGS, "model": "/home/someone/model.pt"}
    run = read_run(write_evaluation(bundle, data, settings=settings))
    text = performance(read_bundle(bundle), [run], "0 errors")
    low, high = run.settings["metrics"]["dice"]["ci95"]
    assert f"| test_p1 | test | p1 | model.pt | 4 | 0.575 ({low:.3f} to {high:.3f}) |" in text
    assert "/home" not in text


@pytest.mark.parametrize("hostile", ["a|b", "a\n## b", "`a`", END, "[a](http://b)", "<script>"])
def test_texts_of_a_run_cannot_leave_their_cell(bundle, data, hostile):
    run = read_run(write_evaluation(bundle, data, settings={**SETTINGS, "split": hostile}))
    text = performance(read_bundle(bundle), [run], "0 errors")
    plain = performance(read_bundle(bundle), [read_run(write_evaluation(bundle, data, "other"))], "0 errors")
    assert len(text.splitlines()) == len(plain.splitlines())
    assert END not in text
    assert not {"<script>", "](http"} & {part for part in ("<script>", "](http") if part in text}
