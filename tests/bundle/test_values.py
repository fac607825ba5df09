"""Values of bundles: of the right type and range, or one error with file, key, what was expected and what came."""

from __future__ import annotations

import json

import pytest
from bundle.changes import edit

from monai_vlsm.__main__ import main
from monai_vlsm.bundle import bundle_parser, read_without_foreign_code
from monai_vlsm.bundle.released import is_blank, is_plain, released
from monai_vlsm.bundle.trust import CONFIGS
from monai_vlsm.errors import DataError

BAD = [
    *(("image_size", value) for value in ("x", -1, 0, 17, 1e9, 10**400, True, None, 352.0, [352], float("nan"))),
    *(("threshold", value) for value in (float("nan"), float("inf"), -0.1, 1.5, "0.5", True, None, [0.5])),
    *(("prompt", value) for value in (["lesion"], 5, None, True, "nul \0", "half \ud800", "p" * 100_000, "see @#1")),
    *(("backbone", value) for value in (5, ["tiny"], "", " ", "nul \0", None, False)),
    *(("num_workers", value) for value in (-1, 0.5, "0", True, 10**6)),
    *(("overlays", value) for value in (-1, "all", True)),
    *(("amp", value) for value in (0, 1, "true", None)),
    *(("precision", value) for value in (32, "half", "", None, True, ["float32"])),
    *(("device", value) for value in ("gpu", 0, "cpu; import os", "cuda:", None, "CPU")),
    *(("output_dir", value) for value in ("/etc", "../masks", "a/../../b", "C:\\masks", "\\\\server\\share", "", 5)),
    *(("checkpoint", value) for value in ("/etc/passwd", "../other/model.pt", 5)),
    *(("images", value) for value in (5, {}, [5], [["a.png"]], ["a\0.png"], "", None)),
    *(("bundle_root", value) for value in (5, "", "\0")),
]
BAD_IN_TRAINING = [
    *(("accumulate", value) for value in (0, -1, 1.5, "2", True, None)),
    *(("batch_size", value) for value in (0, -4, 1.5, "32", True, 10**400)),
    *(("learning_rate", value) for value in (0, -1e-3, "1e-3", float("nan"), 1e9)),
    *(("max_epochs", value) for value in (0, 2.5, "200")),
    *(("seed", value) for value in (-1, 2**32, 1.5)),
    *(("train_fraction", value) for value in (0, 1.5, -1)),
    *(("prompt_level", value) for value in ("p", "P1", "all", 1, None)),
    *(("cache", value) for value in ("ram", "", None, True, 1.0, ["memory"])),
    *(("cache_rate", value) for value in (-0.1, 2)),
    *(("resume", value) for value in ("yes", 1)),
    *(("dataset_dir", value) for value in (5, "", ["data"])),
    *(("weight_decay", value) for value in (-1, "0", [0.1])),
]


def names(case: tuple) -> str:
    return f"{case[0]}-{str(case[1])[:12]!r}"


@pytest.mark.parametrize(
    ("config", "case"),
    [*(("inference", case) for case in BAD), *(("train", case) for case in BAD_IN_TRAINING)],
    ids=lambda value: value if isinstance(value, str) else names(value),
)
def test_a_bad_value_is_refused_by_file_key_and_what_was_expected(bundle, config, case):
    key, value = case
    path = edit(bundle, lambda content: content.update({key: value}), config)
    with pytest.raises(DataError) as refused:
        read_without_foreign_code(path)
    message = str(refused.value)
    assert str(path) in message
    assert repr(key) in message
    assert len(message) < 1000
    if is_plain(value):
        assert "must be" in message
        assert "trust" not in message, "trust does not make a bad value usable"


def test_a_number_of_ten_thousand_digits_is_refused(bundle):
    path = bundle / "configs" / "inference.json"
    path.write_text(path.read_text().replace('"threshold": 0.5', f'"threshold": {"9" * 10_000}'))
    with pytest.raises(DataError, match=r"inference\.json"):
        read_without_foreign_code(path)


@pytest.mark.parametrize(
    "prompt",
    [
        "",
        " $import os",
        "\uff04import os",
        "costs 5 $, 50 % @ home",
        "a #1",
        "b::c",
        "x @prompt",
        "\\x24",
        "ü\n",
        "'\"",
        "{{prompt}}",
    ],
)
def test_a_prompt_of_a_bundle_reaches_the_network_as_it_is(bundle, prompt):
    edit(bundle, lambda config: config.update(prompt=prompt))
    assert bundle_parser(bundle).get_parsed_content("prompt") == prompt


@pytest.mark.parametrize("config", ["inference", "train"])
@pytest.mark.parametrize("value", [None, 0, 4])
def test_processes_that_load_data_are_chosen_by_the_device_or_given(bundle, config, value):
    path = edit(bundle, lambda content: content.update(num_workers=value), config)
    assert read_without_foreign_code(path)["num_workers"] == value


@pytest.mark.parametrize("value", [0, 1, 0.25, 1.0])
def test_a_whole_number_may_stand_where_a_fraction_may(bundle, value):
    assert read_without_foreign_code(edit(bundle, lambda config: config.update(threshold=value)))["threshold"] == value


@pytest.mark.parametrize("name", CONFIGS)
def test_every_value_of_the_template_keeps_its_own_rule(name):
    known = released(f"{name}.json")
    values = {key: value for key, value in known.template.items() if is_plain(value) and not is_blank(value)}
    assert [key for key, value in values.items() if value is not None and not known.rules[key].accepts(value)] == []


def test_the_command_line_ends_with_one_message_for_a_bad_value(trained, tmp_path):
    edit(trained, lambda config: config.update(threshold="x"))
    with pytest.raises(
        DataError, match="'threshold' must be a number from 0 to 1, or 'best_dice' or 'risk_control', not 'x'"
    ):
        main(["predict", str(tmp_path), "--bundle", str(trained)])


def test_the_error_shows_the_beginning_of_a_long_value(bundle):
    path = edit(bundle, lambda config: config.update(prompt="p" * 5000))
    with pytest.raises(DataError, match=r"not 'p{199}\.\.\.\.$"):
        read_without_foreign_code(path)


def test_values_for_expressions_take_their_place(bundle):
    path = edit(bundle, lambda config: config.update(image_size=64, device="cpu", precision="float32"))
    config = read_without_foreign_code(path)
    assert (config["image_size"], config["device"], config["precision"]) == (64, "cpu", "float32")
    assert json.dumps(config)
