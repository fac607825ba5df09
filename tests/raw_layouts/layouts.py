"""Data sets that are folders of pictures."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from .drawing import draw, save, write_pairs, write_sheet

COUNT = 8


def kvasir_seg(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """JPEG images and JPEG masks of three channels, whose values are noisy around 0 and 255."""
    truth = {}
    for i in range(COUNT):
        picture, mask = draw(rng)
        save(folder / "Kvasir-SEG" / "images" / f"cju{i}abc.jpg", picture)
        save(folder / "Kvasir-SEG" / "masks" / f"cju{i}abc.jpg", np.repeat(mask[..., None], 3, axis=2), quality=60)
        truth[f"cju{i}abc"] = mask
    (folder / "Kvasir-SEG" / "kavsir_bboxes.json").write_text("{}")
    return truth


def bkai(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Neoplastic polyps are red in the masks and others green; test images have none."""
    truth = {}
    for i in range(COUNT):
        picture, mask = draw(rng)
        name = f"{i:032x}.jpeg"
        colored = np.zeros((*mask.shape, 3), np.uint8)
        colored[..., i % 2] = mask * np.uint8(255)
        save(folder / "train" / "train" / name, picture)
        save(folder / "train_gt" / "train_gt" / name, colored, quality=90)
        truth[f"{i:032x}"] = mask
    save(folder / "test" / "test" / "f.jpeg", picture)
    return truth


def clinicdb(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """RGB in TIFF files that call themselves gray; the frames are of four sequences."""
    truth = {}
    for frame in (1, 2, 30, 31, 60, 70, 71, 90):
        picture, mask = draw(rng)
        for part in ("Original", "Ground Truth"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / "Original" / f"{frame}.tif", picture, photometric="rgb")
        with tifffile.TiffFile(folder / "Original" / f"{frame}.tif", mode="r+b") as file:
            file.pages[0].tags["PhotometricInterpretation"].overwrite(tifffile.PHOTOMETRIC.MINISBLACK)
        save(folder / "Ground Truth" / f"{frame}.tif", mask)
        truth[str(frame)] = mask
    return truth


def isic16(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Four archives."""
    truth = {}
    for part, start in (("Training", 0), ("Test", 20)):
        names = [f"ISBI2016_ISIC_Part1_{part}_{kind}" for kind in ("Data", "GroundTruth")]
        stems = [f"ISIC_{start + i:07d}" for i in range(COUNT // 2 if start else COUNT)]
        truth |= write_pairs(rng, stems, *(folder / name for name in names), ".jpg", "{}_Segmentation.png")
        _zip(folder, names)
    return truth


def isic18(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Six archives, whose masks end in a lower-case word."""
    truth = {}
    for start, part in enumerate(("Training", "Validation", "Test")):
        names = [f"ISIC2018_Task1-2_{part}_Input", f"ISIC2018_Task1_{part}_GroundTruth"]
        stems = [f"ISIC_{10 * start + i:07d}" for i in range(3)]
        truth |= write_pairs(rng, stems, *(folder / name for name in names), ".jpg", "{}_segmentation.png")
        _zip(folder, names)
    return truth


def dfu(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The names of the folders begin with the year."""
    base = folder / "DFUC2022_train_release"
    images, masks = base / "DFUC2022_train_images", base / "DFUC2022_train_masks"
    return write_pairs(rng, [f"10{i:04d}" for i in range(COUNT)], images, masks, ".jpg")


def ph2(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Three folders per image, one of them of regions that are no lesion; masks have one bit per pixel."""
    truth = {}
    for case in ("IMD002", "IMD003", "IMD010", "IMD437"):
        picture, mask = draw(rng)
        base = folder / "PH2Dataset" / "PH2 Dataset images" / case
        save(base / f"{case}_Dermoscopic_Image" / f"{case}.bmp", picture)
        save(base / f"{case}_roi" / f"{case}_R1_Label2.bmp", ~mask)
        (base / f"{case}_lesion").mkdir()
        Image.fromarray(mask).save(base / f"{case}_lesion" / f"{case}_lesion.bmp")
        truth[case] = mask
    (folder / "PH2Dataset" / "PH2_dataset.txt").write_text("|| Name || Histological Diagnosis ||")
    return truth


def busi(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Names with a blank and brackets; gray, RGB and RGBA; two masks for one image; normal images with empty masks."""
    base = folder / "Dataset_BUSI_with_GT"
    truth = {}
    for kind in ("benign", "malignant", "normal"):
        for i in range(1, 5):
            picture, mask = draw(rng)
            mask &= kind != "normal"
            picture = picture[..., 0] if i == 1 else picture if i == 2 else np.dstack([picture, picture[..., 0] | 255])
            save(base / kind / f"{kind} ({i}).png", picture)
            parts = [mask]
            if (kind, i) == ("benign", 2):
                left = mask & (np.arange(mask.shape[1]) < np.argwhere(mask)[:, 1].mean())
                parts = [left, mask & ~left]
            for number, part in enumerate(parts):
                save(base / kind / f"{kind} ({i})_mask{f'_{number}' if number else ''}.png", part)
            truth[f"{i}_{kind}"] = mask
    return truth


def qata_cov19(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Folders with blanks; a mask has the name of its image behind "mask_"."""
    base = folder / "QaTa-COV19" / "QaTa-COV19-v2"
    truth = {}
    for part, stems in (
        ("Train Set", [*(f"covid_{i}" for i in range(COUNT - 2)), "sub-S7_ses-E1_dx", "sub-S7_ses-E2_dx"]),
        ("Test Set", ["sub-S1_ses-E1_dx", "sub-S1_ses-E2_dx"]),
    ):
        truth |= write_pairs(rng, stems, base / part / "Images", base / part / "Ground-truths", mask_name="mask_{}.png")
    return truth


MOSMED = {
    "Train": ["Morozov_study_0255_9", "Morozov_study_0255_10", "Jun_coronacases_case1_119", "bjorke_8", "bjorke_9"],
    "Val": ["Jun_radiopaedia_10_85902_3_case12_107"],
    "Test": ["Morozov_study_0256_9", "Jun_coronacases_case2_120"],
}
"""Names of slices by the part in which LViT has them."""


def mosmed_sheet(stems: list[str]) -> list[tuple[str, str]]:
    """Titles and rows of a sheet of LViT."""
    return [("Image", "Description"), *((f"{stem}.png", f"Unilateral infection, {stem}.\n") for stem in stems)]


def mosmed(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Kaggle's frames/ and masks/, and the sheets of LViT beside them."""
    stems = [stem for part in MOSMED.values() for stem in part]
    names = {"Train": "Train_text_MosMedData+ 1", "Val": "Val_text_MosMedData+ 1", "Test": "Test_text_MosMedData+"}
    for part, name in names.items():
        write_sheet(folder / f"{name}.xlsx", *mosmed_sheet(MOSMED[part]))
    return write_pairs(rng, stems, folder / "archive" / "frames", folder / "archive" / "masks")


def eus(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """A folder per patient; healthy frames have no mask at all."""
    truth = {}
    for patient in ("C1", "C2", "C10", "H1", "H2"):
        kind = "EUS_cancer" if patient.startswith("C") else "EUS_healthy"
        for frame in ("V1_0001", "V3_0313"):
            picture, mask = draw(rng)
            save(folder / kind / patient / f"{frame}.tif", picture)
            if kind == "EUS_cancer":
                save(folder / kind / "Annotations" / patient / f"{frame}.tif", mask)
            truth[f"{patient}_{frame}"] = mask & (kind == "EUS_cancer")
    return truth


def udiat(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Images and ground truth."""
    return write_pairs(rng, [f"{i:06d}" for i in range(COUNT)], folder / "original", folder / "GT")


def _pranet(folder: Path, rng: np.random.Generator, name: str) -> dict[str, np.ndarray]:
    """One of the sets in an archive of several."""
    truth = {}
    for other in ("CVC-300", "CVC-ColonDB", "ETIS-LaribPolypDB"):
        base = folder / "TestDataset" / other
        found = write_pairs(rng, [str(i) for i in range(1, 5)], base / "images", base / "masks")
        truth |= found if other == name else {}
    _zip(folder, ["TestDataset"])
    return truth


def polypgen(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Six centers; JPEG masks of one or three channels, one of them empty; equal names in two centers."""
    base, truth = folder / "PolypGen2021_MultiCenterData_v3", {}
    for number in range(1, 7):
        for stem in ("100H0050", f"C{number}_1"):
            picture, mask = draw(rng)
            mask &= (number, stem) != (2, "C2_1")
            center = base / f"data_C{number}"
            stored = mask if number % 2 else np.repeat(mask[..., None], 3, axis=2)
            save(center / f"images_C{number}" / f"{stem}.jpg", picture)
            save(center / f"masks_C{number}" / f"{stem}_mask.jpg", stored, quality=60)
            truth[f"C{number}/{stem}"] = mask
    sequence = base / "sequenceData" / "positive" / "seq1"
    write_pairs(rng, ["seq1_1"], sequence / "images_seq1", sequence / "masks_seq1", ".jpg", "{}_mask.jpg")
    (base / "data_C1" / "bbox_C1").mkdir()
    (base / "data_C1" / "bbox_C1" / "100H0050_mask.txt").write_text("polyp 1 2 3 4")
    return truth


def busbra(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Two views of a patient; masks have a prefix of their own."""
    truth = {}
    for patient in range(1, 5):
        for side in "lr":
            picture, mask = draw(rng)
            save(folder / "BUSBRA" / "Images" / f"bus_{patient:04d}-{side}.png", picture[..., 0])
            save(folder / "BUSBRA" / "Masks" / f"mask_{patient:04d}-{side}.png", mask)
            truth[f"bus_{patient:04d}-{side}"] = mask
    return truth


def bus_uclm(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """RGB masks: benign tumors are green, malignant ones red, of normal images the mask is black."""
    base, truth = folder / "BUS-UCLM Breast ultrasound lesion segmentation dataset" / "BUS-UCLM", {}
    for patient, channel in (("ALWI", 1), ("ANFO", 0), ("CHPA", None)):
        for number in range(2):
            picture, mask = draw(rng)
            mask &= channel is not None
            colored = np.zeros((*mask.shape, 3), np.uint8)
            colored[..., channel or 0] = mask * np.uint8(255)
            save(base / "images" / f"{patient}_{number:03d}.png", picture)
            save(base / "masks" / f"{patient}_{number:03d}.png", colored)
            truth[f"{patient}_{number:03d}"] = mask
    (base / "INFO.csv").write_text("Image;Label\nALWI_000.png;Benign\n")
    return truth


BIRADS = (
    (
        *("CaseID", "Image_filename", "Mask_tumor_filename", "Mask_other_filename", "Shape", "Margin", "Echogenicity"),
        *("Posterior_features", "Halo", "Calcifications", "BIRADS", "Classification"),
    ),
    (
        *(1, "case001.png", "case001_tumor.png", None, "irregular", "not circumscribed - spiculated&indistinct"),
        *("complex cystic/solid", "shadowing", "no", "indefinable", "5", "malignant"),
    ),
    (
        *(2, "case002.png", "case002_tumor.png", "case002_other1.png", "oval", "circumscribed", "anechoic"),
        *("enhancement", "yes", "in a mass", 2, "benign"),
    ),
    (3, "case003.png", None, None, *["not applicable"] * 6, 1, "normal"),
    *(
        (i, f"case00{i}.png", f"case00{i}_tumor.png", None, "round", *["not applicable"] * 5, 3, "benign")
        for i in (4, 5, 6)
    ),
)
"""Titles and rows of the sheet of BrEaST."""


def breast(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """An archive with another abnormal area and a normal image without a mask, and a sheet beside it."""
    base, truth = folder / "BrEaST-Lesions_USG-images_and_masks", {}
    for i in range(1, 7):
        picture, mask = draw(rng)
        save(base / f"case{i:03d}.png", np.dstack([picture, picture[..., 0] | 255]))
        if i != 3:
            save(base / f"case{i:03d}_tumor.png", mask)
        truth[f"case{i:03d}"] = mask & (i != 3)
    save(base / "case002_other1.png", np.rot90(mask, 2))
    _zip(folder, [base.name])
    write_sheet(folder / "BrEaST-Lesions-USG-clinical-data-Dec-15-2023.xlsx", *BIRADS)
    return truth


def buid(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """BMP images and TIFF masks in one folder."""
    truth = {}
    for number, kind in ((97, "Benign"), (58, "Benign"), (3, "Malignant"), (12, "Malignant")):
        picture, mask = draw(rng)
        save(folder / kind / f"{number} {kind} Image.bmp", picture)
        save(folder / kind / f"{number} {kind} Mask.tif", mask)
        truth[f"{number} {kind} Image"] = mask
    return truth


def split_folders(folder: Path, rng: np.random.Generator, stem: str = "{:04d}") -> dict[str, np.ndarray]:
    """The archives of MedCLIPSeg."""
    truth = {}
    for part, start in (("Train", 0), ("Val", 10), ("Test", 20)):
        base = folder / f"{part}_Folder"
        truth |= write_pairs(rng, [stem.format(start + i) for i in range(3)], base / "img", base / "label")
    return truth


def _zip(folder: Path, names: list[str]) -> None:
    for name in names:
        shutil.make_archive(str(folder / name), "zip", folder, name)
        shutil.rmtree(folder / name)


LAYOUTS = {
    "kvasir_seg": kvasir_seg,
    "bkai": bkai,
    "clinicdb": clinicdb,
    "isic16": isic16,
    "dfu": dfu,
    "ph2": ph2,
    "busi": busi,
    "qata_cov19": qata_cov19,
    "mosmed": mosmed,
    "eus": eus,
    "isic18": isic18,
    "udiat": udiat,
    "colondb": lambda folder, rng: _pranet(folder, rng, "CVC-ColonDB"),
    "cvc300": lambda folder, rng: _pranet(folder, rng, "CVC-300"),
    "etis": lambda folder, rng: _pranet(folder, rng, "ETIS-LaribPolypDB"),
    "polypgen": polypgen,
    "busbra": busbra,
    "breast": breast,
    "bus_uclm": bus_uclm,
    "busuc": split_folders,
    "buid": buid,
    "brisc": lambda folder, rng: split_folders(folder, rng, "brisc2025_x_{:05d}_me_co_t1"),
    "uwaterloo_skin": split_folders,
}
