"""What may be searched: keys, choices and ranges of files that strangers may have written."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from monai_vlsm.errors import DataError, MissingFileError, UserError
from monai_vlsm.networks import METHODS
from monai_vlsm.tuning.space import DEFAULT, Choices, Range, read_space, require_buildable

RATE = {"low": 1e-4, "high": 1e-2, "log": True}


class Low:
    """A trial that takes the lower bound, and of choices the last one."""

    def suggest_categorical(self, key, choices):
        return choices[-1]

    def suggest_int(self, key, low, high, log):
        return low

    def suggest_float(self, key, low, high, log):
        return low


def test_a_list_is_choices_an_object_a_range_and_all_else_fixed(read):
    space = read({"learning_rate": RATE, "batch_size": [4, 8], "max_epochs": 5, "bottleneck": {"low": 4, "high": 64}})
    assert space.keys["learning_rate"] == Range(1e-4, 1e-2, log=True)
    assert space.keys["batch_size"] == Choices((4, 8))
    assert space.draw(Low()) == {"learning_rate": 1e-4, "batch_size": 8, "max_epochs": 5, "bottleneck": 4}
    assert list(space.varied) == ["learning_rate", "batch_size", "bottleneck"]


def test_what_is_told_of_a_space_is_its_file(read):
    space = read({"learning_rate": RATE, "batch_size": [4, 8]})
    assert read(space.told()) == space


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"learning_rat": RATE}, "no key 'learning_rat': did you mean 'learning_rate'"),
        ({"run": [1]}, "no key 'run'"),
        ({"network_def": {"low": 0, "high": 1}}, "no key 'network_def'"),
        ({"output_dir": ["/etc"]}, "'output_dir' cannot be searched"),
        ({"resume": [True]}, "'resume' cannot be searched"),
        ({"bundle_root": "/"}, "'bundle_root' cannot be searched"),
        ({"learning_rate": []}, "has 0 choices"),
        ({"seed": list(range(1001))}, "has 1,001 choices"),
        ({"learning_rate": [1e-3, "$print(1)"]}, "no code"),
        ({"backbone": ["@learning_rate"]}, "no code"),
        ({"prompt": ["%/etc/passwd"]}, "no code"),
        ({"learning_rate": [[1e-3]]}, "expected numbers, texts"),
        ({"learning_rate": [1e-3, 0.001]}, "twice"),
        ({"amp": [1, True]}, "no key 'amp'"),
        ({"compile": [True, 1]}, "twice"),
        ({"device": "cuda:1", "seed": [1, 2]}, "'device' must be 'cpu' or 'cuda'"),
        ({"batch_size": [0]}, "'batch_size' must be a whole number"),
        ({"batch_size": [None]}, "'batch_size' must be a whole number"),
        ({"batch_size": {"low": 1.5, "high": 8}}, "'batch_size' must be a whole number"),
        ({"image_size": {"low": 64, "high": 352}}, "'image_size' must be a multiple of 16"),
        ({"learning_rate": {"low": 1e-4}}, "must be a list, or a range"),
        ({"learning_rate": {"low": 1e-4, "high": 1, "step": 2}}, "must be a list, or a range"),
        ({"learning_rate": {"low": 1, "high": 1}}, "'low' < 'high'"),
        ({"learning_rate": {"low": "a", "high": "b"}}, "'low' < 'high'"),
        ({"learning_rate": {"low": True, "high": 2}}, "'low' < 'high'"),
        ({"learning_rate": {"low": 1e-4, "high": 1e-2, "log": 1}}, "'log' true or false"),
        ({"weight_decay": {"low": 0.0, "high": 1e-2, "log": True}}, "begins above 0"),
        ('{"learning_rate": {"low": NaN, "high": 1}}', "'low' < 'high'"),
        ('{"learning_rate": {"low": 1e-4, "high": Infinity}}', "must be a number from"),
        ({"method": ["dense", "nope"]}, "no method 'nope'"),
        ({"method": ["zero_shot"]}, "no method 'zero_shot' that is trained"),
        ({"method": {"low": 1, "high": 2}}, "'method' must be a method"),
        ({"method": "lora", "bottleneck": [4]}, "'bottleneck' is no setting of the method 'lora'"),
        ({"lora_rank": [4]}, "'lora_rank' is no setting of the method 'dense'"),
        ("[1]", "not keys with values"),
        ('{"seed": 1, "seed": 2}', "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("{}", "nothing to search"),
        ({"max_epochs": 5}, "nothing to search"),
        ({"prompt": ["cyst", "mass"]}, "'prompt' can be one value for all trials"),
        ({"val_prompt_level": ["p1", "p6"]}, "'val_prompt_level' can be one value for all trials"),
        ({"prompt_level": ["p1", "random"]}, 'give "val_prompt_level" one value'),
    ],
)
def test_what_no_trial_could_run_with_is_told_at_once(read, content, message):
    with pytest.raises(DataError, match=message):
        read(content)


def test_prompts_of_training_are_searched_where_validation_asks_the_same(read):
    assert list(read({"prompt_level": ["p1", "random"], "val_prompt_level": "p1"}).varied) == ["prompt_level"]
    assert list(read({"prompt_level": ["p1", "random"]}, val_prompt_level="p6").varied) == ["prompt_level"]


def test_a_space_that_is_not_there_is_told(config, tmp_path):
    with pytest.raises(MissingFileError):
        read_space(tmp_path / "none.json", config)


def test_null_is_a_choice_where_the_template_has_it(read):
    assert read({"learning_rate": [None, 1e-3]}, learning_rate=0.002).keys["learning_rate"] == Choices((None, 1e-3))


@pytest.mark.parametrize(("method", "own"), [("dense", "bottleneck"), ("lora", "lora_rank"), ("vpt", "contexts")])
def test_the_default_space_has_the_settings_of_the_method(config, method, own):
    keys = read_space(None, {**config, "method": method}).keys
    assert list(keys) == ["learning_rate", "weight_decay", own]


def test_without_settings_the_default_space_is_that_of_the_optimizer(config):
    assert list(read_space(None, {**config, "method": "full"}).keys) == ["learning_rate", "weight_decay"]
    assert DEFAULT.keys() > {"learning_rate", "weight_decay"}


def test_a_setting_is_drawn_where_the_method_has_it(read):
    space = read({"bottleneck": [4, 8], "method": ["dense", "lora"]}, bottleneck=32)
    assert space.draw(Low()) == {"method": "lora", "bottleneck": None}, "the bundle's own would be refused"
    dense = SimpleNamespace(suggest_categorical=lambda key, choices: choices[0])
    assert space.draw(dense) == {"method": "dense", "bottleneck": 4}


def test_a_file_of_any_size_is_refused_before_it_is_read(config, tmp_path):
    path = tmp_path / "large.json"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match="too much for a file of its kind"):
        read_space(path, config)


def test_numbers_of_thousands_of_digits_are_no_numbers(read):
    with pytest.raises(DataError):
        read(json.dumps({"seed": 0}).replace("0", "9" * 5000))


def test_networks_of_every_method_are_built_before_any_trial(read):
    methods = [name for name in METHODS if name != "zero_shot"]
    require_buildable(read({"backbone": "tiny", "method": methods, "bottleneck": {"low": 4, "high": 64}}))


def test_a_network_that_cannot_be_built_is_told_before_any_trial(read):
    with pytest.raises(UserError, match="context_depth"):
        require_buildable(read({"backbone": "tiny", "method": "vpt", "context_depth": [1, 100, 2, None]}))


def test_a_package_that_a_method_needs_is_told_before_any_trial(read, monkeypatch):
    monkeypatch.setattr("monai_vlsm.networks.nets.image_only.find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install einops"):
        require_buildable(read({"backbone": "tiny", "method": ["decoder", "swin_unetr"]}))


def test_a_backbone_that_is_not_here_is_told_before_any_trial(read):
    with pytest.raises(UserError, match="nowhere"):
        require_buildable(read({"backbone": ["tiny", "nowhere/at-all", "tiny2"], "bottleneck": [4, 8]}))
