"""Tests of runs that are compared: what comes out, and what is refused."""

import csv

import numpy as np
import pytest
from reports.tables import SETTINGS, rows_of, scores, write_run, write_table

from monai_vlsm.errors import DataError
from monai_vlsm.reports.compare import as_text, compare_runs, spread, write_differences
from monai_vlsm.reports.runs import read_run


@pytest.fixture
def run(tmp_path):
    """Write a run of a name and read it."""

    def make(name, dice, **options):
        return read_run(write_run(tmp_path / name, dice, **options))

    return make


def test_two_equal_runs_give_no_difference(run):
    test = compare_runs([run("a", scores()), run("b", scores())]).tests[0]["dice"]
    assert (test.difference, test.ci95, test.p_bootstrap, test.p_wilcoxon) == (0, (0, 0), 1, 1)
    assert (test.wins, test.ties, test.losses) == (0, 12, 0)


def test_two_runs_of_a_known_answer_have_its_numbers(run):
    """Six cases better by 0.01 to 0.06: the exact Wilcoxon p is 2 / 64, all resamples are above 0."""
    test = compare_runs([run("a", [0.5] * 6), run("b", 0.5 + np.arange(1, 7) / 100)]).tests[0]["dice"]
    assert (test.difference, test.p_wilcoxon) == pytest.approx((0.035, 2 / 64))
    assert test.p_bootstrap == pytest.approx(2 / 10_001)
    assert 0.01 < test.ci95[0] < 0.035 < test.ci95[1] < 0.06


def test_patients_with_several_images_widen_the_interval(run):
    first, second = np.repeat(scores(10), 5), np.repeat(scores(10, seed=1), 5)
    patients = [f"patient {number // 5}" for number in range(50)]
    by_image = compare_runs([run("a", first), run("b", second)])
    by_patient = compare_runs([run("c", first, group=patients), run("d", second, group=patients)])
    widths = [np.diff(comparison.tests[0]["dice"].ci95).item() for comparison in (by_image, by_patient)]
    assert widths[1] > 1.5 * widths[0]
    assert "50 cases of 50 images, taken for independent" in by_image.method()
    assert "50 cases of 10 groups (patients or sequences)" in by_patient.method()


def test_rows_of_one_image_are_drawn_together(run):
    images = [f"/data/busi/images/{number // 2}.png" for number in range(12)]
    comparison = compare_runs([run(name, scores(), image=images) for name in "ab"])
    assert comparison.tests[0]["dice"].groups == 6


def test_the_order_of_the_rows_does_not_matter(run, tmp_path):
    rows = rows_of(scores())
    shuffled = read_run(write_table(tmp_path / "b.csv", rows[::-1]))
    comparison = compare_runs([run("a", scores()), shuffled])
    assert comparison.tests[0]["dice"].ties == 12
    assert comparison.places[1][0] == 11


def test_absent_targets_are_left_out(run):
    """One run was asked for them and the other was not; the third row of the first is the second that is compared."""
    masks = [f"/data/busi/masks/{number}.png" for number in range(3)]
    first = run("a", [0.5, 1.0, 0.7], label=[masks[0], "", masks[2]])
    second = run("b", [0.6, 0.7], image=first_and_last("images"), label=first_and_last("masks"), label_pixels=[10, 12])
    comparison = compare_runs([first, second])
    assert comparison.tests[0]["dice"].means == pytest.approx((0.6, 0.65))
    assert comparison.places == [[0, 2], [0, 1]]


def first_and_last(folder):
    return [f"/data/busi/{folder}/{number}.png" for number in (0, 2)]


def test_runs_of_absent_targets_alone_have_nothing_to_compare(run):
    with pytest.raises(DataError, match="got absent targets only"):
        compare_runs([run(name, [1.0, 1.0], label=["", ""]) for name in "ab"])


def test_a_shorter_distance_is_better(run):
    distances = {"metrics": ("dice", "hd95")}
    first = run("a", [0.5, 0.5, 0.5], hd95=[3, 2, "nan"], **distances)
    second = run("b", [0.5, 0.5, 0.5], hd95=[1, 1, 4], **distances)
    test = compare_runs([first, second]).tests[0]["hd95"]
    assert (test.wins, test.losses, test.undefined) == (2, 0, (1, 0))


def test_p_values_of_several_runs_are_corrected(run):
    runs = [run("a", [0.5] * 6), run("b", 0.5 + np.arange(1, 7) / 100), run("c", 0.5 + np.arange(6) / 100)]
    comparison = compare_runs(runs)
    assert comparison.p_wilcoxon[0]["dice"] == pytest.approx(2 * comparison.tests[0]["dice"].p_wilcoxon)
    assert "corrected by Holm over the 2 runs" in comparison.method()


def test_two_runs_need_no_correction(run):
    comparison = compare_runs([run("a", scores()), run("b", scores(seed=1))])
    assert comparison.p_wilcoxon[0]["dice"] == comparison.tests[0]["dice"].p_wilcoxon
    assert "Holm" not in comparison.method()


def test_the_text_names_runs_metrics_and_numbers(run, tmp_path):
    lines = as_text(compare_runs([run("a", [0.5] * 6), run("b", 0.5 + np.arange(1, 7) / 100)])).splitlines()
    assert lines[0] == f"A  {tmp_path / 'a' / 'per_image.csv'}  (models/model.pt, test, p1)"
    assert lines[-1].split()[:4] == ["dice", "0.5000", "0.5350", "+0.0350"]
    assert lines[-1].split()[7:] == ["0.0002", "0.0312", "6", "0", "0", "0", "/", "0"]


def test_the_text_has_no_control_characters(run):
    runs = [run(name, scores(), settings={**SETTINGS, "model": "\x1b[2Jmodel\r\n"}) for name in "ab"]
    assert all(line.isprintable() for line in as_text(compare_runs(runs)).splitlines())


def test_a_table_alone_says_that_its_settings_are_not_known(run, tmp_path):
    alone = read_run(write_table(tmp_path / "b.csv", rows_of(scores())))
    assert "no summary: split and prompt level are not known" in as_text(compare_runs([run("a", scores()), alone]))


def test_the_cases_that_differ_most_are_those_of_the_largest_spread(run):
    runs = [run("a", [0.5, 0.5, 0.5]), run("b", [0.6, 0.1, 0.5]), run("c", [0.5, 0.7, 0.5])]
    assert spread(compare_runs(runs), "dice") == pytest.approx([0.1, 0.6, 0])


def differences(comparison, folder):
    write_differences(comparison, folder / "differences.csv")
    with (folder / "differences.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_differences_have_a_row_per_case(run, tmp_path):
    metrics = {"metrics": ("dice", "hd95")}
    runs = [run("a", [0.5, 0.25], hd95=[3, "nan"], **metrics), run("b", [0.75, 0.25], hd95=[2, 1], **metrics)]
    rows = differences(compare_runs(runs), tmp_path)
    assert [row["image"] for row in rows] == ["images/0.png", "images/1.png"]
    assert [(row["A dice"], row["B dice"], row["B-A dice"]) for row in rows] == [
        ("0.5", "0.75", "0.25"),
        ("0.25", "0.25", "0.0"),
    ]
    assert (rows[0]["B-A hd95"], rows[1]["A hd95"], rows[1]["B-A hd95"]) == ("-1.0", "", "")


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
@pytest.mark.parametrize("column", ["prompt", "group"])
def test_a_spreadsheet_finds_no_formula_in_the_differences(run, tmp_path, text, column):
    comparison = compare_runs([run(name, scores(3), **{column: [text, "b", "c"]}) for name in "ab"])
    assert differences(comparison, tmp_path)[0][column] == f"'{text}"


# Refused

OTHERS = {
    "images": ({"image": [f"/data/busi/images/{number}.png" for number in range(1, 13)]}, "images or masks"),
    "masks": ({"label": [f"/data/busi/masks/{number}.png" for number in range(1, 13)]}, "images or masks"),
    "prompts": ({"prompt": ["polyp"] * 12}, "other prompts"),
    "label_pixels": ({"label_pixels": [7] * 12}, "other masks: label_pixels of .* is '10' and '7'"),
    "group": ({"group": ["patient"] * 12}, "other groups"),
    "metrics": ({"hd95": [1.0] * 12, "metrics": ("dice", "hd95")}, "other columns, hd95 in one only"),
    "split": ({"settings": {**SETTINGS, "split": "validation"}}, "other splits, 'test' and 'validation'"),
    "prompt_level": ({"settings": {**SETTINGS, "prompt_level": "p6"}}, "other prompt levels, 'p1' and 'p6'"),
    "tolerance": ({"settings": {**SETTINGS, "surface_tolerance_pixels": 5}}, "other tolerances of the surface Dice"),
}


@pytest.mark.parametrize(("options", "told"), OTHERS.values(), ids=OTHERS)
def test_runs_that_cannot_be_compared_are_refused(run, options, told):
    with pytest.raises(DataError, match=told):
        compare_runs([run("a", scores()), run("b", scores(), **options)])


def test_runs_on_parts_of_a_data_set_are_refused(run):
    with pytest.raises(DataError, match=r"4 cases are in the first only and 0 in the second only, 'images/10\.png'"):
        compare_runs([run("a", scores()), run("b", scores()[:8])])


@pytest.mark.parametrize("count", [1, 27])
def test_a_comparison_needs_two_runs_and_a_letter_for_each(run, count):
    with pytest.raises(DataError, match=f"expected 2 to 26 runs to compare, got {count}"):
        compare_runs([run("a", scores())] * count)


def test_a_p_value_that_four_digits_would_round_to_zero_is_a_bound(run):
    better = np.linspace(0.01, 0.3, 40)
    line = as_text(compare_runs([run("a", [0.5] * 40), run("b", 0.5 + better)])).splitlines()[-1]
    assert line.split()[8] == "<0.0001"
