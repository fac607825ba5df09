"""Inference over REST: every kind of image, prompts, and requests that cannot be answered."""

from __future__ import annotations

import gzip
import struct

import itk
import numpy as np
import pytest
from monai_label.pictures import KINDS, write_picture
from monai_label.server import SLICER

from monai_vlsm.predictor import Predictor

PROMPT = "bright object"
DEFAULT = "Tumor in the breast ultrasound image."


@pytest.fixture(scope="module")
def predictor(bundle):
    return Predictor.from_bundle(bundle, backbone="tiny", device="cpu")


@pytest.fixture
def expected(predictor, tmp_path):
    """What the package itself says, in the order of axes that ITK gives."""

    def mask(name, prompt=DEFAULT):
        found = predictor.set_image(write_picture(tmp_path, name)).predict(prompt).mask
        return found if KINDS[name] != ".nii.gz" else found.T

    return mask


def geometry(image):
    """Size, spacing, origin and direction."""
    size = [image.GetLargestPossibleRegion().GetSize().GetElement(axis) for axis in range(image.GetImageDimension())]
    spacing, origin = np.array(itk.spacing(image)), np.array(itk.origin(image))
    return [np.array(size), spacing, origin, itk.array_from_matrix(image.GetDirection())]


@pytest.mark.parametrize("name", KINDS)
def test_a_mask_lies_where_its_image_lies(server, read, tmp_path, name):
    # ITK for Python has no images of byte vectors: the gray slice lies in the same place.
    image = itk.imread(str(write_picture(tmp_path, "slice" if name == "vector" else name)))
    mask = read(server.infer("busi", name))
    axes = image.GetImageDimension()
    for of_image, of_mask in zip(geometry(image), geometry(mask), strict=True):
        cut = of_mask[:axes, :axes] if of_mask.ndim == 2 else of_mask[:axes]
        np.testing.assert_allclose(cut, of_image, atol=1e-4)
    assert list(geometry(mask)[0][axes:]) in ([], [1])


@pytest.mark.parametrize("name", KINDS)
def test_a_mask_holds_what_the_package_finds(server, values, expected, name):
    found, wanted = values(server.infer("busi", name, prompt=PROMPT)), expected(name, PROMPT)
    assert found.dtype == np.uint8
    assert set(np.unique(found)) == {0, 1}, "the mask is empty or full: the test would pass on any orientation"
    np.testing.assert_array_equal(found.squeeze(), wanted.squeeze())


@pytest.mark.parametrize("name", ["gray", "gray_jpg"])
def test_a_picture_that_is_not_asked_for_by_slicer_is_answered_as_a_png(server, tmp_path, expected, name):
    answer = server.infer("busi", name, prompt=PROMPT, result_extension="")
    (tmp_path / "answer.png").write_bytes(answer.mask)
    np.testing.assert_array_equal(
        itk.array_from_image(itk.imread(str(tmp_path / "answer.png"))), expected(name, PROMPT)
    )


def test_an_uploaded_file_is_segmented_as_one_of_the_studies(server, values, tmp_path):
    uploaded = server.infer("busi", file=write_picture(tmp_path, "color"), prompt=PROMPT)
    np.testing.assert_array_equal(values(uploaded), values(server.infer("busi", "color", prompt=PROMPT)))


def test_an_image_that_slicer_has_loaded_is_segmented_and_forgotten(server, values, tmp_path):
    opened = server.open_session(write_picture(tmp_path, "slice")).json()["session_id"]
    found = server.multipart("POST", f"/infer/busi?image=slice&session_id={opened}", SLICER, {})
    np.testing.assert_array_equal(values(found), values(server.infer("busi", "slice")))
    stored = server.app / "sessions" / opened
    assert stored.is_dir()
    assert server.request("DELETE", f"/session/{opened}").status == 200
    assert not stored.exists()


@pytest.mark.parametrize("strategy", ["random", "first"])
def test_slicer_gets_a_next_sample_with_its_file(server, strategy):
    sample = server.request("POST", f"/activelearning/{strategy}", b'{"client_id": "user-xyz"}').json()
    assert sample["path"].startswith(str(server.studies / sample["id"]))
    assert server.request("GET", f"/datastore/image?image={sample['id']}").status == 200


def test_the_label_has_the_name_and_value_of_the_bundle(server):
    assert server.info()["models"]["busi"]["labels"] == {"tumor": 1}
    assert server.infer("busi", "gray").json()["label_names"] == {"tumor": 1}


def test_slicer_shows_the_prompt_as_an_option(server):
    assert server.options("models", "busi")["prompt"] == DEFAULT


def test_a_prompt_changes_the_mask_and_does_not_stick(server, values, expected):
    before = values(server.infer("busi", "gray"))
    other = values(server.infer("busi", "gray", prompt=PROMPT))
    after = values(server.infer("busi", "gray"))
    assert not np.array_equal(before, other)
    np.testing.assert_array_equal(after, before)
    np.testing.assert_array_equal(before, expected("gray"))


def test_an_answer_says_how_likely_the_target_is_there(server, predictor, tmp_path):
    found = server.infer("busi", "gray", prompt=PROMPT).json()
    expected = predictor.set_image(write_picture(tmp_path, "gray")).predict(PROMPT).presence
    assert found["presence"] == pytest.approx(expected, abs=1e-4)
    assert found["emptied"] is False


def test_a_mask_below_the_presence_that_is_asked_for_is_empty_and_the_answer_says_so(server, values):
    answer = server.infer("busi", "gray", prompt=PROMPT, min_presence=1)
    assert answer.json()["emptied"] is True
    assert not values(answer).any()
    assert values(server.infer("busi", "gray", prompt=PROMPT, min_presence=0)).any()


@pytest.mark.parametrize("prompt", ["", "  "], ids=["empty", "blank"])
def test_an_empty_prompt_is_the_default(server, values, prompt):
    answer = values(server.infer("busi", "gray", prompt=prompt))
    np.testing.assert_array_equal(answer, values(server.infer("busi", "gray")))


@pytest.mark.parametrize("prompt", ["$monai_vlsm.errors.write()", "@network_def", "%busi.json::x", 'größer "5 mm"\n'])
def test_a_prompt_is_text_and_nothing_else(server, values, expected, prompt):
    np.testing.assert_array_equal(values(server.infer("busi", "gray", prompt=prompt)), expected("gray", prompt))


def test_a_prompt_runs_no_code(server, tmp_path):
    server.infer("busi", "gray", prompt=f"$__import__('pathlib').Path({str(tmp_path / 'written')!r}).touch()")
    assert not (tmp_path / "written").exists()


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        ({"image": ""}, 400, "Neither Image nor File"),
        ({"image": "nobody"}, 404, "there is no image 'nobody'"),
        ({"image": "gray", "prompt": 5}, 400, "a prompt must be a string, not 5"),
        ({"image": "gray", "prompt": ["cyst"]}, 400, "a prompt must be a string"),
        ({"image": "gray", "prompt": {"_target_": "os.getcwd"}}, 400, "a prompt must be a string"),
        ({"image": "gray", "prompt": "x" * 10_000}, 400, "this one has 10000"),
        ({"image": "gray", "min_presence": 2}, 400, "min_presence"),
        ({"image": "gray", "min_presence": "$1/0"}, 400, "min_presence"),
        (
            {"image": "gray", "model": "wrong"},
            404,
            "there is no model 'wrong', this server has ['any', 'busi', 'other']",
        ),
    ],
    ids=[
        "no image",
        "unknown image",
        "number",
        "list",
        "configuration",
        "10000 characters",
        "presence",
        "code",
        "unknown model",
    ],
)
def test_a_wrong_request_gets_a_reason_and_the_server_lives_on(server, request_, status, reason):
    answer = server.infer(**{"model": "busi", **request_})
    assert (answer.status, reason in answer.reason) == (status, True), answer.body
    assert server.infer("busi", "gray").status == 200


def huge_nifti(compressed):
    """A header that claims 2 GB of voxels, and none of them."""
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, 3, 1024, 1024, 512, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 512, 16)  # uint16
    struct.pack_into("<8f", header, 76, 1, 1, 1, 1, 1, 1, 1, 1)
    struct.pack_into("<f", header, 108, 352)
    header[344:348] = b"n+1\0"
    return gzip.compress(bytes(header)) if compressed else bytes(header)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("broken.png", b"\x89PNG\r\n\x1a\nnot a picture"),
        ("empty.nii.gz", b""),
        ("text.jpg", b"hello"),
        ("huge.nii", huge_nifti(False)),
        ("huge.nii.gz", huge_nifti(True)),
    ],
    ids=["broken PNG", "empty", "text", "huge", "huge, compressed"],
)
def test_an_unreadable_file_gets_a_reason_and_the_server_lives_on(server, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    memory = server.memory()
    answer = server.infer("busi", file=tmp_path / name)
    assert (answer.status, "cannot be read" in answer.reason) == (400, True), answer.body
    assert server.memory() - memory < 200
    assert server.infer("busi", "gray").status == 200
