"""Several prompts in one request, and prompts for any of several bundles, over REST."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from monai_label.pictures import KINDS, write_picture

from monai_vlsm.monai_label.prompts import MOST_PROMPTS
from monai_vlsm.predictor import Predictor
from monai_vlsm.transforms.overlap import merge_labels

PROMPTS = ("bright object", "dark lesion")
DEFAULT = "Tumor in the breast ultrasound image."


@pytest.fixture(scope="module")
def predictors(bundle, second):
    return {path.name: Predictor.from_bundle(path, backbone="tiny", device="cpu") for path in (bundle, second)}


@pytest.fixture
def expected(predictors, tmp_path):
    """The label map that the package itself makes, in the order of axes that ITK gives."""

    def merge(name, *asked):
        image = write_picture(tmp_path, name)
        found = [predictors[bundle].set_image(image).predict(prompt) for bundle, prompt in asked]
        merged = merge_labels(
            [torch.as_tensor(one.probability) for one in found],
            [torch.as_tensor(one.mask) for one in found],
            range(1, len(found) + 1),
        ).numpy()
        return merged if KINDS[name] != ".nii.gz" else merged.T

    return merge


@pytest.mark.parametrize("separator", ["\n", ";", " ; \r\n"], ids=repr)
def test_two_prompts_give_two_labels(server, values, expected, separator):
    found = values(server.infer("busi", "gray", prompt=separator.join(PROMPTS)))
    wanted = expected("gray", *(("busi", prompt) for prompt in PROMPTS))
    assert set(np.unique(wanted)) == {0, 1, 2}, "the test would pass with less than two labels"
    np.testing.assert_array_equal(found.squeeze(), wanted.squeeze())


@pytest.mark.parametrize("name", ["rgb", "slice", "anisotropic", "oblique"])
def test_a_label_map_lies_where_its_image_lies(server, values, expected, name):
    found = values(server.infer("busi", name, prompt=";".join(PROMPTS)))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found.squeeze(), expected(name, *(("busi", prompt) for prompt in PROMPTS)).squeeze())


def test_the_answer_says_which_value_is_which_prompt(server, values):
    answer = server.infer("busi", "gray", prompt=";".join(PROMPTS))
    said, map_ = answer.json(), values(answer)
    assert said["label_names"] == {PROMPTS[0]: 1, PROMPTS[1]: 2}
    assert [one["prompt"] for one in said["prompts"]] == list(PROMPTS)
    assert [one["pixels"] for one in said["prompts"]] == [int((map_ == value).sum()) for value in (1, 2)]


def test_each_prompt_has_its_own_presence(server):
    alone = [server.infer("busi", "gray", prompt=prompt).json()["presence"] for prompt in PROMPTS]
    together = server.infer("busi", "gray", prompt=";".join(PROMPTS)).json()["prompts"]
    assert [one["presence"] for one in together] == pytest.approx(alone, abs=1e-4)


def test_a_label_that_is_not_in_the_map_has_no_name_because_slicer_counts(server, values):
    presences = {prompt: server.infer("busi", "gray", prompt=prompt).json()["presence"] for prompt in PROMPTS}
    less, more = sorted(PROMPTS, key=presences.__getitem__)
    cut = sum(presences.values()) / 2
    answer = server.infer("busi", "gray", prompt=f"{less};{more}", min_presence=cut)
    said = answer.json()
    assert [one["emptied"] for one in said["prompts"]] == [True, False]
    assert said["label_names"] == {more: 2}
    assert set(np.unique(values(answer))) == {0, 2}


def test_the_same_prompt_twice_is_one_prompt_and_answered_as_ever(server):
    twice, once = (server.infer("busi", "gray", prompt=text) for text in ("bright object; bright object;", PROMPTS[0]))
    assert twice.mask == once.mask
    assert twice.json().keys() == once.json().keys()


@pytest.mark.parametrize("prompts", [PROMPTS, ("$exit()", "@network_def", "%busi.json::x")], ids=["text", "code"])
def test_the_prompts_of_a_request_do_not_stick(server, prompts):
    before = server.infer("busi", "gray")
    assert server.infer("busi", "gray", prompt="\n".join(prompts)).status == 200
    assert server.infer("busi", "gray").mask == before.mask


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        (";".join(f"p{index}" for index in range(MOST_PROMPTS + 1)), f"may have {MOST_PROMPTS} prompts"),
        ("short;" + "x" * 1001, "this one has 1001"),
    ],
    ids=["many", "long"],
)
@pytest.mark.parametrize("model", ["busi", "any"])
def test_prompts_have_a_number_and_a_length(server, model, prompt, reason):
    answer = server.infer(model, "gray", prompt=prompt)
    assert (answer.status, reason in answer.reason) == (400, True), answer.body


def test_a_batch_takes_several_prompts_too(server):
    options = {"prompt": ";".join(PROMPTS), "max_batch_size": 1}
    answer = server.request("POST", "/batch/infer/busi?run_sync=true", json.dumps(options).encode())
    (name, result), *_ = answer.json().items()
    try:
        assert result["params"]["label_names"] == {PROMPTS[0]: 1, PROMPTS[1]: 2}
    finally:
        assert server.request("DELETE", f"/datastore/label?id={name}&tag=original").status == 200


@pytest.mark.parametrize("named", ["busi", "other"])
def test_any_answers_with_the_bundle_that_is_named(server, values, expected, named):
    answer = server.infer("any", "gray", prompt=f"{named}: bright object")
    np.testing.assert_array_equal(values(answer).squeeze(), expected("gray", (named, "bright object")))
    assert answer.json()["label_names"] == {f"{named}: bright object": 1}


def test_any_takes_prompts_for_several_bundles_at_once(server, values, expected):
    found = values(server.infer("any", "gray", prompt="other:bright object; busi : dark lesion; other"))
    wanted = expected("gray", ("other", "bright object"), ("busi", "dark lesion"), ("other", DEFAULT))
    assert len(np.unique(wanted)) > 2
    np.testing.assert_array_equal(found.squeeze(), wanted)


def test_any_shows_how_a_prompt_begins(server, values, expected):
    assert server.options("models", "any")["prompt"] == f"busi: {DEFAULT}"
    answer = server.infer("any", "gray", **server.options("models", "any"))
    np.testing.assert_array_equal(values(answer).squeeze(), expected("gray", ("busi", DEFAULT)))


@pytest.mark.parametrize("prompt", ["tumor", "nobody: tumor", ": tumor", "BUSI: tumor", "../busi: tumor", "any: tumor"])
def test_any_names_the_bundles_that_there_are(server, prompt):
    answer = server.infer("any", "gray", prompt=prompt)
    assert (answer.status, "'busi: tumor'" in answer.reason, "busi, other" in answer.reason) == (400, True, True)


def test_any_cannot_be_trained(server):
    assert server.train("any", run_sync=True).status == 404
