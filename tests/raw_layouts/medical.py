"""Data sets in formats of their own."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import nibabel
import numpy as np
from pycocotools import mask as rle

from .drawing import draw, save

FACTS = "ED: 1\nES: 18\nNbFrame: 18\nSex: {}\nAge: {}\nImageQuality: {}\nEF: 56\n"


def _heart(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A frame and its label map: the object has the halves 1 (upper) and 3 (lower) in a ring 2."""
    picture, mask = draw(rng)
    inner = mask.copy()
    for shift in (-2, 2):
        inner &= np.roll(mask, shift, 0) & np.roll(mask, shift, 1)
    upper = np.arange(mask.shape[0])[:, None] < np.nonzero(mask)[0].mean()
    labels = np.select([inner & upper, inner, mask], [1, 3, 2]).astype(np.uint8)
    return picture[..., 0], labels


def _write_mhd(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".raw").write_bytes(array.tobytes())
    path.write_text(
        f"ObjectType = Image\nNDims = 3\nDimSize = {array.shape[1]} {array.shape[0]} 1\nElementType = MET_UCHAR\n"
        f"ElementSpacing = 0.3 0.15 1\nElementDataFile = {path.with_suffix('.raw').name}\n"
    )


def _write_nifti(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(array.T, np.diag([-0.3, -0.3, 1, 1])), path)


def _hearts(patients: list[tuple[Path, str]], rng: np.random.Generator, write, suffix: str) -> dict[str, np.ndarray]:
    truth = {}
    for folder, part in patients:
        for view in ("2CH", "4CH"):
            folder.mkdir(parents=True, exist_ok=True)
            facts = ("F", 56, "Good") if part != "test" else ("M", 73, "Poor")
            (folder / f"Info_{view}.cfg").write_text(FACTS.format(*facts))
            for cycle in ("ED", "ES"):
                stem = f"{folder.name}_{view}_{cycle}"
                picture, labels = _heart(rng)
                write(folder / f"{stem}{suffix}", picture)
                write(folder / f"{stem}_gt{suffix}", labels)
                truth |= {f"{part}/mask_{value}/{stem}_gt": labels == value for value in (1, 2, 3)}
    return truth


def camus(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The first release: MetaImage; patient 1 of testing/ is somebody else than patient 1 of training/."""
    patients = [(folder / "training" / f"patient{i:04d}", "train") for i in (1, 2, 51)]
    patients += [(folder / "testing" / "patient0001", "test")]
    return _hearts(patients, rng, _write_mhd, ".mhd")


def camus_nifti(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The later release: NIfTI, whose first axis runs along the columns, with an official split."""
    numbers = {"training": (1, 2), "validation": (3,), "testing": (4,)}
    patients = [(folder / "database_nifti" / f"patient{i:04d}", "nifti") for group in numbers.values() for i in group]
    (folder / "database_split").mkdir(parents=True)
    for name, group in numbers.items():
        text = "\n".join(f"patient{i:04d}" for i in group)
        (folder / "database_split" / f"subgroup_{name}.txt").write_text(text)
    return _hearts(patients, rng, _write_nifti, ".nii.gz")


def chexlocalize(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Run lengths of ten findings per image, most of them of nothing."""
    encoded: dict[str, dict[str, dict[str, dict]]] = {"val": {}, "test": {}}
    truth = {}
    for i in range(1, 9):
        part = "val" if i < 5 else "test"
        picture, mask = draw(rng)
        stem = f"patient{i}_study1_view1_frontal"
        save(folder / "CheXpert" / part / f"patient{i}" / "study1" / "view1_frontal.jpg", picture)
        found = {"Airspace Opacity": mask, "Edema": mask & (i % 2 == 0), "Lung Lesion": mask & False}
        encoded[part][stem] = {
            finding: {"size": list(mask.shape), "counts": rle.encode(np.asfortranarray(area))["counts"].decode()}
            for finding, area in found.items()
        }
        names = {finding: f"{stem}_{finding.lower().replace(' ', '_')}" for finding in found}
        truth |= {names[finding]: area for finding, area in found.items() if area.any()}
    (folder / "CheXlocalize").mkdir()
    for part, content in encoded.items():
        (folder / "CheXlocalize" / f"gt_segmentations_{part}.json").write_text(json.dumps(content))
    return truth


def btmri(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """MATLAB 7.3: HDF5 with columns first, 16 bit, the patient as character codes."""
    truth = {}
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(1, 9):
        picture, mask = draw(rng)
        with h5py.File(folder / f"{i}.mat", "w") as file:
            group = file.create_group("cjdata")
            group["image"] = picture[..., 0].T.astype(np.int16) * 12
            group["tumorMask"] = mask.T.astype(np.uint8)
            group["label"] = np.array([[i % 3 + 1.0]])
            group["PID"] = np.array([[ord(c)] for c in f"1003{i // 2}"], np.uint16)
        truth[str(i)] = mask
    return truth
