"""Bundles in MONAI Deploy: the masks of its operator for bundles are those of the Predictor."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import pytest
import torch
from bundle.trained import let_follow_prompts, write_trained
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from monai_vlsm.data.phantom import draw_phantom
from monai_vlsm.networks import CLIPSegDenseAdapter
from monai_vlsm.predictor import Predictor

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-deploy" / "bin" / "python"
PROMPT = "Tumor in the breast ultrasound image."
SPACING = (0.5, 0.4, 2.0)
"""Of rows, columns and slices, mm."""


def drawn(seed: int) -> np.ndarray:
    return draw_phantom(np.random.default_rng(seed)).image


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    """The busi bundle, unchanged but for its backbone, with adapters that let it follow prompts."""
    folder = tmp_path_factory.mktemp("bundles") / "busi"
    torch.manual_seed(0)
    write_trained("busi", folder, let_follow_prompts(CLIPSegDenseAdapter("tiny", prompt=PROMPT)))
    inference = folder / "configs" / "inference.json"
    inference.write_text(json.dumps({**json.loads(inference.read_text()), "backbone": "tiny"}))
    return folder


def write_series(folder: Path, slices: list[np.ndarray]) -> None:
    folder.mkdir()
    study, series = generate_uid(), generate_uid()
    for number, pixels in enumerate(slices):
        file = Dataset()
        file.file_meta = FileMetaDataset()
        file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file.SOPClassUID = file.file_meta.MediaStorageSOPClassUID = CTImageStorage
        file.SOPInstanceUID = file.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        file.StudyInstanceUID, file.SeriesInstanceUID = study, series
        file.Modality, file.SeriesNumber, file.InstanceNumber = "CT", 1, number + 1
        file.PixelSpacing, file.ImageOrientationPatient = list(SPACING[:2]), [1, 0, 0, 0, 1, 0]
        file.ImagePositionPatient = [0, 0, SPACING[2] * number]
        file.Rows, file.Columns = pixels.shape
        file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
        file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation = 8, 8, 7, 0
        file.PixelData = pixels.tobytes()
        pydicom.dcmwrite(folder / f"{number}.dcm", file, enforce_file_format=True)


@pytest.fixture(scope="module")
def masks(bundle, tmp_path_factory) -> dict[str, np.ndarray]:
    """What the operator made of each image, in a working directory that has nothing to do with the bundle."""
    if not list(PYTHON.parents[1].glob("installed-*")):
        pytest.skip("there is no environment with MONAI Deploy: scripts/deploy_env.sh makes it")
    folder = tmp_path_factory.mktemp("deploy")
    write_series(folder / "series", [drawn(seed) for seed in (1, 2, 3)])
    color = np.dstack([drawn(1), drawn(2), drawn(3)])  # (H, W, 3)
    pictures = {"gray": drawn(1)[None], "color": color.transpose(2, 0, 1), "array": color.transpose(1, 0, 2)}
    np.savez(folder / "pictures.npz", **pictures)
    names = [bundle, folder / "series", folder / "pictures.npz", folder / "masks.npz"]
    command = [PYTHON, "-W", "ignore", Path(__file__).with_name("run_operator.py"), *names]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(np.load(folder / "masks.npz"))


@pytest.fixture(scope="module")
def predictor(bundle) -> Predictor:
    return Predictor.from_bundle(bundle)


def expected(predictor: Predictor, image: np.ndarray | Path) -> np.ndarray:
    mask = predictor.set_image(image).predict(PROMPT).mask
    assert 0 < mask.sum() < mask.size, "an empty or full mask would equal too much"
    return mask.astype(np.uint8)


def test_a_dicom_series_gets_the_mask_of_its_volume(predictor, masks, tmp_path):
    volume = np.stack([drawn(seed).T for seed in (1, 2, 3)], axis=-1)  # (W, H, D)
    affine = np.diag([-SPACING[1], -SPACING[0], SPACING[2], 1])
    nibabel.save(nibabel.Nifti1Image(volume, affine), tmp_path / "volume.nii.gz")
    mask = expected(predictor, tmp_path / "volume.nii.gz")
    assert np.array_equal(masks["series"], mask.swapaxes(0, 2)), "MONAI Deploy has slices first"


@pytest.mark.parametrize("name", ["gray", "color", "array"])
def test_a_picture_in_memory_gets_the_mask_of_the_predictor(predictor, masks, name):
    picture = drawn(1) if name == "gray" else np.dstack([drawn(1), drawn(2), drawn(3)])
    assert np.array_equal(masks[name][0], expected(predictor, picture))
