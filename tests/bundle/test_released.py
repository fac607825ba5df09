"""Bundles of every released version are accepted and run; each part must be one that a release had at that key."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from bundle.changes import OLD, edit, give_model
from PIL import Image

from monai_vlsm.__main__ import main
from monai_vlsm.bundle import read_without_foreign_code, refuse_foreign_code, released
from monai_vlsm.bundle.fill import TEMPLATE
from monai_vlsm.bundle.released import is_blank, is_plain, leaves, releases
from monai_vlsm.bundle.trust import CONFIGS, EVERYWHERE, NEWER, REPLACED
from monai_vlsm.errors import DataError
from monai_vlsm.predictor import Predictor

PICTURE = np.random.default_rng(0).integers(0, 256, (40, 60), dtype=np.uint8)


def own(name: str) -> dict:
    return json.loads((TEMPLATE / "configs" / f"{name}.json").read_text(encoding="utf-8"))


def test_the_old_bundle_differs_from_todays_template():
    old = (OLD / "configs" / "inference.json").read_text()
    assert "LoadPictured" in old, "the tests below show nothing: the bundle is not an old one"


def test_a_bundle_of_an_older_version_is_accepted(old_bundle):
    refuse_foreign_code(old_bundle)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_what_is_returned_for_an_older_bundle_is_todays_template_with_its_values(old_bundle, name):
    old = json.loads((old_bundle / "configs" / f"{name}.json").read_text())
    config = read_without_foreign_code(old_bundle / "configs" / f"{name}.json")
    assert config.keys() == own(name).keys()
    for key, value in {**own(name), **{key: value for key, value in NEWER.items() if key in own(name)}}.items():
        assert config[key] == (old[key] if is_plain(old.get(key, {})) and is_plain(value) else value)


def test_an_older_bundle_segments_as_one_of_today(old_bundle, trained, model):
    old, new = (Predictor.from_bundle(path, device="cpu") for path in (give_model(old_bundle, model), trained))
    prompts = ["lesion", "cyst"]
    for prompt in prompts:
        old_one, new_one = (each.set_image(PICTURE).predict(prompt).probability for each in (old, new))
        np.testing.assert_array_equal(old_one, new_one)


def test_predict_runs_an_older_bundle(old_bundle, model, tmp_path):
    give_model(old_bundle, model)
    Image.fromarray(PICTURE).save(tmp_path / "image.png")
    main(["predict", str(tmp_path / "image.png"), "--bundle", str(old_bundle), "--out", str(tmp_path / "masks")])
    assert Image.open(tmp_path / "masks" / "image_mask.png").size == (60, 40)


def test_values_of_an_older_bundle_are_kept(old_bundle):
    path = edit(old_bundle, lambda config: config.update(threshold=0.25, prompt="a dark spot", device="cpu"))
    config = read_without_foreign_code(path)
    assert (config["threshold"], config["prompt"], config["device"]) == (0.25, "a dark spot", "cpu")


MOVED = [
    *(("train", "network_def", "bottleneck", 32), ("train", "network_def", "adapt_text", False)),
    *(("train", "loss", "lambda_dice", 2), ("train", "early_stop", "min_delta", 0.01)),
    ("inference", "network_def", "bottleneck", 32),
]


@pytest.mark.parametrize(("name", "part", "key", "value"), MOVED)
def test_values_that_became_keys_of_their_own_are_kept_where_they_have_one(old_bundle, name, part, key, value):
    config = read_without_foreign_code(edit(old_bundle, lambda config: config[part].update({key: value}), name))
    assert config.get(key, value) == value
    assert key in config or key not in own(name)


@pytest.mark.parametrize("value", [0, "64", [64], True, -1, "$print()", {"_target_": "os.system"}], ids=repr)
def test_values_that_became_keys_of_their_own_are_checked(old_bundle, value):
    with pytest.raises(DataError, match="network_def#bottleneck"):
        read_without_foreign_code(edit(old_bundle, lambda config: config["network_def"].update(bottleneck=value)))


def test_parts_of_two_versions_may_be_mixed(bundle, old_bundle):
    old = json.loads((old_bundle / "configs" / "inference.json").read_text())
    path = edit(bundle, lambda config: config.update({key: old[key] for key in ("preprocessing", "initialize")}))
    assert read_without_foreign_code(path)["preprocessing"] == own("inference")["preprocessing"]


def test_parts_of_two_versions_may_be_mixed_inside_of_a_part(bundle, old_bundle):
    old = json.loads((old_bundle / "configs" / "inference.json").read_text())
    path = edit(bundle, lambda config: config["preprocessing"]["transforms"].__setitem__(0, _first(old)))
    read_without_foreign_code(path)


def _first(config: dict) -> dict:
    return config["preprocessing"]["transforms"][0]


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config["preprocessing"]["transforms"].reverse(),
        lambda config: config["preprocessing"]["transforms"].append(_first(config)),
        lambda config: config.update(inferer=config["network_def"]),
        lambda config: config.update(device=config["image_size"]),
        lambda config: config.update(run=config["initialize"]),
        lambda config: config["network_def"].update(_target_=config["inferer"]["_target_"]),
    ],
    ids=["order", "twice", "network for inferer", "expression elsewhere", "list elsewhere", "target elsewhere"],
)
def test_what_a_release_has_at_another_key_is_refused(bundle, change):
    with pytest.raises(DataError, match="unlike in the bundles of any released version"):
        read_without_foreign_code(edit(bundle, change))


def places_of_code() -> list[tuple]:
    config = json.loads((OLD.parents[2] / "bundles" / "phantom" / "configs" / "inference.json").read_text())
    return [place for place, value in leaves(config) if len(place) > 1 or not is_plain(value)]


def put(config, place, value) -> None:
    for name in place[:-1]:
        config = config[name]
    config[place[-1]] = value


@pytest.mark.parametrize("value", ["plain", {}], ids=repr)
@pytest.mark.parametrize("place", places_of_code(), ids=lambda place: "#".join(map(str, place)))
def test_plain_values_stand_at_keys_for_values_only(bundle, place, value):
    """Whatever stands where the template builds something is refused, or does not get into what runs."""
    path = edit(bundle, lambda config: put(config, place, value))
    try:
        config = read_without_foreign_code(path)
    except DataError:
        return
    template = own("inference")
    changed = {key for key in template if config[key] != template[key] and not is_blank(template[key])}
    assert changed <= {"device", "precision", "image_size", "bundle_root", "output_dir", "checkpoint"}
    assert changed <= {place[0]}


HOSTILE_KEYS = [
    *("__proto__", "__class__", "_target_", "_requires_", "_disabled_", "_mode_", "_meta_", "<meta>", "+initialize"),
    *("network_def#backbone", "network_def::backbone", "run#0", "run::0", "preprocessing#transforms#0#keys", "~run"),
    *("imports#0", "", "#", "::", "@prompt", "$x", "%x", "prompt ", "Prompt", "finalize", "a.b", "\0", "\ud800"),
]


@pytest.mark.parametrize("value", [1, {"_target_": "os.system"}], ids=repr)
@pytest.mark.parametrize("key", HOSTILE_KEYS, ids=ascii)
def test_a_key_that_no_release_has_is_refused(bundle, key, value):
    with pytest.raises(DataError, match="unlike in the bundles of any released version"):
        read_without_foreign_code(edit(bundle, lambda config: config.update({key: value})))


@pytest.mark.parametrize("key", ["_requires_", "_disabled_", "_mode_", "args", "#", "::"])
@pytest.mark.parametrize("value", [False, "debug", [], "$x"], ids=repr)
def test_a_key_that_no_release_has_in_a_part_is_refused(bundle, key, value):
    with pytest.raises(DataError, match="unlike in the bundles of any released version"):
        read_without_foreign_code(edit(bundle, lambda config: config["network_def"].update({key: value})))


@pytest.mark.parametrize("place", [(), ("network_def",), ("preprocessing", "transforms", 0)], ids=str)
def test_descriptions_are_free(bundle, place):
    path = edit(bundle, lambda config: put(config, (*place, "_desc_"), "what it does, for 5 $"))
    read_without_foreign_code(path)


@pytest.mark.parametrize("text", ["$print()", "%x#y", "@run", {"_target_": "os.system"}, ["$print()"], 5], ids=repr)
def test_code_in_a_description_is_refused(bundle, text):
    with pytest.raises(DataError, match="_desc_"):
        read_without_foreign_code(edit(bundle, lambda config: config["network_def"].update(_desc_=text)))


def test_true_is_not_one_where_a_release_has_one(bundle):
    with pytest.raises(DataError, match="'dataloader#batch_size' is True"):
        read_without_foreign_code(edit(bundle, lambda config: config["dataloader"].update(batch_size=True)))


@pytest.mark.parametrize("name", CONFIGS)
def test_values_of_the_template_are_blank_at_the_top_only(name):
    """What is filled in deeper could not be told from what a stranger wrote there."""
    assert not [place for place, value in leaves(own(name)) if len(place) > 1 and "{{" in str(value)]


def test_every_release_has_every_configuration():
    assert "0.1.0" in releases()
    for release in releases().values():
        assert release.keys() >= {*(f"{name}.json" for name in EVERYWHERE), "logging.conf"}


def test_the_template_of_a_later_version_still_takes_the_bundles_of_this_one(bundle, tmp_path, monkeypatch):
    """A version that renames everything: what is released in between is data, so bundles of today stay known."""
    later = Path(shutil.copytree(TEMPLATE, tmp_path / "later"))
    text = (later / "configs" / "inference.json").read_text()
    (later / "configs" / "inference.json").write_text(text.replace("monai_vlsm.", "monai_vlsm.later."))
    current = {f"{name}.json": own(name) for name in CONFIGS}
    known = {**releases(), "today": {**current, "logging.conf": ""}}
    monkeypatch.setattr(released, "TEMPLATE", later)
    monkeypatch.setattr(released, "releases", lambda: known)
    released.released.cache_clear()
    try:
        config = read_without_foreign_code(bundle / "configs" / "inference.json")
    finally:
        monkeypatch.undo()
        released.released.cache_clear()
    assert config["inferer"]["_target_"] == "monai_vlsm.later.inferers.PromptInferer"


@pytest.mark.parametrize("name", CONFIGS)
def test_the_published_list_has_every_target_of_the_template(name):
    page = (TEMPLATE.parents[2] / "docs" / "targets.md").read_text(encoding="utf-8")
    targets = {value for place, value in leaves(own(name)) if place[-1] == "_target_"}
    assert targets
    assert {target for target in targets if f"| `{target}` |" not in page} == set()


# In multi_gpu_train.json, false said that a sampler shuffles, not the loader: today's loader must not be told so.
WITHOUT_MEANING = {"train#dataloader#shuffle"}


@pytest.mark.parametrize(("version", "name"), [(v, name) for v in releases() for name in EVERYWHERE])
def test_no_value_of_an_older_bundle_is_lost(version, name):
    """A key for values that goes needs a place in MOVED or REPLACED, or older bundles lose what they say there."""
    config = releases()[version][f"{name}.json"]
    assert {key for key, value in config.items() if is_plain(value)} - WITHOUT_MEANING <= own(
        name
    ).keys() | REPLACED.keys()


@pytest.mark.parametrize(("rate", "cache"), [(1.0, "memory"), (0.5, "memory"), (0, "none"), (0.0, "none")])
def test_an_older_bundle_that_keeps_no_images_in_memory_still_does_not(old_bundle, rate, cache):
    config = read_without_foreign_code(edit(old_bundle, lambda config: config.update(cache_rate=rate), "train"))
    assert config["cache"] == cache
    assert "cache_rate" not in config
