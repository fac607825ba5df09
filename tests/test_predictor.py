"""One image, many prompts, for notebooks."""

from __future__ import annotations

import copy
import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from monai_vlsm.calibration import Calibration
from monai_vlsm.data.phantom import draw_phantom
from monai_vlsm.errors import DataError, MissingFileError
from monai_vlsm.inferers import PromptInferer, prompt_embeddings
from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.predictor import Predictor, read_image
from monai_vlsm.transforms import collate_image, load_image, presence_score

ROOT = Path(__file__).resolve().parents[1]
PICTURE = draw_phantom(np.random.default_rng(1)).image


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return CLIPSegDenseAdapter("tiny", bottleneck=4, prompt="cyst")


@pytest.fixture
def predictor(network):
    return Predictor(network, device="cpu")


@pytest.fixture
def picture_file(tmp_path):
    Image.fromarray(PICTURE).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def test_mask_and_probability_have_the_size_of_the_array(predictor):
    prediction = predictor.set_image(PICTURE).predict("cyst")
    assert prediction.mask.shape == prediction.probability.shape == PICTURE.shape
    assert prediction.mask.dtype == bool
    assert 0 <= prediction.probability.min() < prediction.probability.max() <= 1


def test_a_file_and_its_array_give_the_same(predictor, picture_file):
    from_file = predictor.set_image(picture_file).predict("cyst")
    from_array = predictor.set_image(PICTURE).predict("cyst")
    np.testing.assert_allclose(from_file.probability, from_array.probability, atol=1e-6)


def test_a_color_array_of_equal_channels_is_a_gray_one(predictor):
    gray = predictor.set_image(PICTURE).predict("cyst").probability
    color = predictor.set_image(np.dstack([PICTURE] * 3)).predict("cyst").probability
    np.testing.assert_allclose(color, gray, atol=1e-6)


def test_the_predictor_says_what_the_inferer_says(predictor, network, picture_file):
    image = load_image(picture_file)
    expected = PromptInferer(prompt="mass")(image[None], network)[0, 0].sigmoid().numpy().T
    np.testing.assert_allclose(predictor.set_image(picture_file).predict("mass").probability, expected, atol=1e-6)


def test_an_image_is_encoded_once_for_many_prompts(predictor, network, monkeypatch):
    calls = []
    encode = network.encode_image
    monkeypatch.setattr(network, "encode_image", lambda image: calls.append(1) or encode(image))
    predictor.set_image(PICTURE)
    predictions = [predictor.predict(prompt) for prompt in ("cyst", "mass", "bright object at the top")]
    assert len(calls) == 1
    assert not np.array_equal(predictions[0].probability, predictions[1].probability)


def test_many_prompts_at_once_give_exactly_what_each_gives_alone(predictor, picture_file, monkeypatch):
    read, tensors_of = [], prompt_embeddings._tensors_of
    prompts = ["a cyst", "a bright mass", "calf"]
    predictor.set_image(picture_file)
    alone = [predictor.predict(prompt) for prompt in prompts]
    monkeypatch.setattr(prompt_embeddings, "_tensors_of", lambda network: read.append(1) or tensors_of(network))
    for one, other in zip(predictor.predict_each(prompts), alone, strict=True):
        assert (one.prompt, one.presence) == (other.prompt, other.presence)
        np.testing.assert_array_equal(one.probability, other.probability)
    assert len(read) == 1, "the state of the network was read for each prompt"


def test_masks_are_of_the_image_that_was_set_when_they_were_asked_for(predictor):
    other, prompts = np.rot90(PICTURE).copy(), ["a cyst", "a bright mass"]
    alone = [predictor.set_image(PICTURE).predict(prompt).probability for prompt in prompts]
    asked = predictor.set_image(PICTURE).predict_each(prompts)
    predictor.set_image(other)
    for found, expected in zip(asked, alone, strict=True):
        np.testing.assert_array_equal(found.probability, expected)


def test_prompts_may_come_one_by_one(predictor):
    asked = predictor.set_image(PICTURE).predict_each(text for text in ("a cyst", "calf"))
    assert [found.prompt for found in asked] == ["a cyst", "calf"]


def test_logits_that_are_not_finite_are_told_in_place_of_an_empty_mask(predictor):
    network = copy.deepcopy(predictor.network)
    with torch.no_grad():
        next(parameter for parameter in network.parameters() if parameter.requires_grad).fill_(1e30)
    with pytest.raises(DataError, match="not finite"):
        Predictor(network, "cpu").set_image(PICTURE).predict("a cyst")


def test_a_single_text_is_no_list_of_prompts(predictor):
    with pytest.raises(DataError, match=r"give \['polyp'\], or use predict"):
        predictor.set_image(PICTURE).predict_each("polyp")


def test_a_volume_comes_back_in_the_axes_of_its_file(predictor, tmp_path):
    volume = np.random.default_rng(0).normal(size=(12, 20, 5)).astype(np.float32)
    nibabel.save(nibabel.Nifti1Image(volume, np.diag([1, 2, 3, 1])), tmp_path / "volume.nii.gz")
    assert predictor.set_image(tmp_path / "volume.nii.gz").predict("cyst").mask.shape == (12, 20, 5)


def test_the_threshold_moves_the_mask(predictor):
    predictor.set_image(PICTURE)
    assert predictor.predict("cyst", threshold=0.0).mask.all()
    assert not predictor.predict("cyst", threshold=1.0).mask.any()


@pytest.mark.parametrize("count", [0, 3])
def test_a_prediction_is_as_sure_as_the_inferer_says(network, picture_file, count):
    image = collate_image([{"image": read_image(picture_file)}])["image"]
    meta = PromptInferer(prompt="mass", paraphrases=count)(image, network).meta
    found = Predictor(network, device="cpu", paraphrases=count).set_image(picture_file).predict("mass")
    assert found.mean_probability == pytest.approx(float(meta["mean_probability"]), abs=1e-6)
    assert found.agreement == (pytest.approx(float(meta["agreement"]), abs=1e-6) if count else None)


def test_paraphrases_do_not_change_the_answer(network):
    alone, compared = (Predictor(network, device="cpu", paraphrases=n).set_image(PICTURE) for n in (0, 3))
    np.testing.assert_array_equal(compared.predict("cyst").probability, alone.predict("cyst").probability)


def test_an_image_may_be_read_before(predictor, picture_file):
    read = predictor.set_image(read_image(picture_file)).predict("cyst")
    np.testing.assert_array_equal(read.mask, predictor.set_image(picture_file).predict("cyst").mask)


def test_a_prediction_says_that_its_mask_was_emptied(predictor):
    predictor.set_image(PICTURE)
    assert predictor.predict("cyst", min_presence=1.0).emptied
    assert not predictor.predict("cyst", min_presence=0.0).emptied


def test_predicting_before_an_image_is_set_says_what_to_do(predictor):
    with pytest.raises(DataError, match="set_image"):
        predictor.predict("cyst")


@pytest.mark.parametrize("prompt", [None, 5, ["cyst", 7]], ids=["none", "number", "list with a number"])
def test_a_prompt_that_is_no_text_is_refused(predictor, prompt):
    predictor.set_image(PICTURE)
    with pytest.raises(DataError, match="must be a string"):
        predictor.predict(prompt)


@pytest.mark.parametrize("array", [np.zeros((0, 4)), np.zeros((4, 4, 2)), np.zeros(4), np.full((4, 4), np.nan)])
def test_an_array_that_is_no_image_is_refused(predictor, array):
    with pytest.raises(DataError, match="image array"):
        predictor.set_image(array)


def test_a_bundle_is_loaded_with_its_checkpoint(network, tmp_path):
    bundle = shutil.copytree(ROOT / "bundles" / "phantom", tmp_path / "phantom")
    trained = CLIPSegDenseAdapter("tiny", prompt="mass")
    (Path(bundle) / "models").mkdir(exist_ok=True)
    torch.save({"model": trained.state_dict()}, Path(bundle) / "models" / "model.pt")
    loaded = Predictor.from_bundle(bundle, device="cpu").set_image(PICTURE).predict("cyst")
    expected = Predictor(trained, device="cpu").set_image(PICTURE).predict("cyst")
    np.testing.assert_array_equal(loaded.probability, expected.probability)


def test_threshold_and_image_size_of_a_bundle_are_kept(tmp_path):
    bundle = Path(shutil.copytree(ROOT / "bundles" / "phantom", tmp_path / "phantom"))
    (bundle / "models").mkdir(exist_ok=True)
    torch.save({"model": CLIPSegDenseAdapter("tiny").state_dict()}, bundle / "models" / "model.pt")
    config = bundle / "configs" / "inference.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "threshold": 0.05, "image_size": 64}))
    loaded = Predictor.from_bundle(bundle, device="cpu").set_image(PICTURE)
    found = loaded.predict("cyst")
    assert (loaded.threshold, loaded.image_size) == (0.05, 64)
    np.testing.assert_array_equal(found.mask, found.probability >= 0.05)
    np.testing.assert_array_equal(loaded.predict("cyst", threshold=0.9).mask, found.probability >= 0.9)


def test_a_folder_that_is_no_bundle_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=str(tmp_path)):
        Predictor.from_bundle(tmp_path)


def test_clones_in_threads_say_what_one_predictor_says(predictor):
    pictures = [draw_phantom(np.random.default_rng(seed)).image for seed in range(4)]
    prompts = ("cyst", "mass", "bright object at the top")
    cases = [(picture, prompt) for picture in pictures for prompt in prompts] * 3
    alone = [predictor.set_image(picture).predict(prompt).probability for picture, prompt in cases]
    own = threading.local()

    def predict(case):
        own.predictor = getattr(own, "predictor", None) or predictor.clone()
        return own.predictor.set_image(case[0]).predict(case[1]).probability

    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(predict, cases))
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_a_clone_shares_the_network_and_has_no_image(predictor):
    clone = predictor.set_image(PICTURE).clone()
    assert clone.network is predictor.network
    with pytest.raises(DataError, match="set_image"):
        clone.predict("cyst")


def test_a_volume_whose_features_are_not_kept_gives_the_same(predictor, tmp_path, monkeypatch):
    volume = np.random.default_rng(0).integers(-500, 500, (20, 30, 5)).astype(np.int16)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "a.nii.gz")
    kept = predictor.set_image(tmp_path / "a.nii.gz").predict("cyst")
    monkeypatch.setattr("monai_vlsm.predictor.KEPT_SLICES", 4)
    predictor.set_image(tmp_path / "a.nii.gz")
    for prompt in ("mass", "cyst"):
        anew = predictor.predict(prompt)
    np.testing.assert_array_equal(anew.probability, kept.probability)


@pytest.mark.parametrize("dtype", [complex, object, "U1"])
def test_an_array_of_no_numbers_is_refused(predictor, dtype):
    with pytest.raises(DataError, match="must hold whole or real numbers"):
        predictor.set_image(np.ones((4, 5)).astype(dtype))


CALIBRATED = Calibration(4.0, 0.5, -1.0, cut=0.4, thresholds={"best_dice": 0.7})


def test_a_calibration_changes_probabilities_and_not_the_mask_at_one_half(network, predictor):
    calibrated = Predictor(network, device="cpu", calibration=CALIBRATED).set_image(PICTURE).predict("cyst", 0.5, 0)
    bare = predictor.set_image(PICTURE).predict("cyst")
    logits = np.log(bare.probability / (1 - bare.probability))
    np.testing.assert_allclose(calibrated.probability, 1 / (1 + np.exp(-logits / 4)), atol=1e-5)
    np.testing.assert_array_equal(calibrated.mask, bare.mask)


def test_a_word_is_the_threshold_of_the_calibration(network):
    calibrated = Predictor(network, device="cpu", threshold="best_dice", calibration=CALIBRATED, min_presence=0)
    found = calibrated.set_image(PICTURE).predict("cyst")
    np.testing.assert_array_equal(found.mask, found.probability >= 0.7)


def test_a_word_without_calibration_is_refused(predictor):
    with pytest.raises(DataError, match="takes a calibration of this model"):
        predictor.set_image(PICTURE).predict("cyst", "best_dice")


@pytest.mark.parametrize("least", [None, 0, 1])
def test_a_mask_is_empty_below_the_least_presence(network, caplog, least):
    cut = Calibration(cut=1.0)
    found = Predictor(network, device="cpu", calibration=cut).set_image(PICTURE).predict("cyst", 0.01, least)
    assert 0 < found.presence < 1
    assert found.mask.any() == (least == 0)
    assert ("the image array: 'cyst' is probably not there" in caplog.text) == (least != 0)


def test_presence_is_that_of_the_bundle_for_a_file(network, picture_file):
    found = Predictor(network, device="cpu").set_image(picture_file).predict("cyst")
    image = load_image(picture_file)
    logits = PromptInferer("cyst")(image[None], network)[0]
    assert found.presence == pytest.approx(float(torch.sigmoid(torch.tensor(presence_score(logits)))), abs=1e-5)
