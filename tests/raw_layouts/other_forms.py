"""Further forms in which the data sets are passed on: by their makers, by other people, packed in another way."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from .drawing import draw, save, write_pairs, write_sheet
from .layouts import COUNT, LAYOUTS, MOSMED, mosmed_sheet
from .listed import tn3k
from .medical import btmri, camus_nifti
from .nuclei import monuseg_lvit


def dfu_split_anew(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """As people who split the set anew call the folders."""
    return write_pairs(rng, [f"10{i:04d}" for i in range(COUNT)], folder / "images", folder / "labels", ".jpg")


def bkai_archives(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The competition's archive holds an archive per folder."""
    truth = LAYOUTS["bkai"](folder / "content", rng)
    for part in ("train", "train_gt", "test"):
        shutil.make_archive(str(folder / "inner" / part), "zip", folder / "content", part)
    shutil.rmtree(folder / "content")
    shutil.make_archive(str(folder / "bkai-igh-neopolyp"), "zip", folder / "inner")
    shutil.rmtree(folder / "inner")
    return truth


def btmri_download_all(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """What the button "Download all" gives: the archives in an archive."""
    truth = btmri(folder / "content", rng)
    shutil.make_archive(str(folder / "inner" / "brainTumorDataPublic_1-766"), "zip", folder / "content")
    (folder / "inner" / "README.txt").write_text("read me")
    shutil.rmtree(folder / "content")
    shutil.make_archive(str(folder / "1512427"), "zip", folder / "inner")
    shutil.rmtree(folder / "inner")
    return truth


def hyper_kvasir(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The pairs of Kvasir-SEG in all of HyperKvasir, whose other images have no masks."""
    base, truth = folder / "hyper-kvasir" / "segmented-images", {}
    for i in range(4):
        picture, mask = draw(rng)
        save(base / "images" / f"cju{i}abc.jpg", picture)
        save(base / "masks" / f"cju{i}abc.jpg", mask, quality=60)
        truth[f"cju{i}abc"] = mask
    (base / "bounding-boxes.json").write_text("{}")
    save(folder / "hyper-kvasir" / "unlabeled-images" / "images" / "other.jpg", picture)
    return truth


def lvit(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The folders of LViT: images have the names of their masks, and the masks lie in labelcol/."""
    truth = {}
    for part, stems in (
        ("Train", ["mask_covid_1", "mask_covid_2", "mask_sub-S1_ses-E1_dx"]),
        ("Val", ["mask_covid_3", "mask_sub-S2_ses-E1_dx", "mask_sub-S2_ses-E2_dx"]),
        ("Test", ["mask_covid_5"]),
    ):
        truth |= write_pairs(rng, stems, folder / f"{part}_Folder" / "img", folder / f"{part}_Folder" / "labelcol")
    return truth


def mosmed_of_lvit(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The folders of LViT, with a sheet in each."""
    truth = {}
    for part, stems in MOSMED.items():
        base = folder / "MosMedDataPlus" / f"{part}_Folder"
        truth |= write_pairs(rng, stems, base / "img", base / "labelcol")
        write_sheet(base / f"{part}_text.xlsx", *mosmed_sheet(stems))
    return truth


def mosmed_without_sentences(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Kaggle's archive alone."""
    truth = LAYOUTS["mosmed"](folder, rng)
    for path in folder.glob("*.xlsx"):
        path.unlink()
    return truth


def kvasir_instrument_of_kaggle(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Folders in folders; the lists name files."""
    base, stems = folder / "kvasir-instrument", [f"ckcu{i}ty" for i in range(COUNT)]
    truth = write_pairs(rng, stems, base / "images" / "images", base / "masks" / "masks", ".jpg")
    for name, part in (("train", stems[:6]), ("test", stems[6:])):
        (base / f"{name}.txt").write_text("".join(f"images/{stem}.jpg\n" for stem in part))
    return truth


def tn3k_without_folds(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """The four folders alone."""
    truth = tn3k(folder, rng)
    for path in folder.rglob("*.json"):
        path.unlink()
    return truth


def etis_of_kaggle(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Two folders without the name of the set."""
    return write_pairs(rng, ["1", "2", "196"], folder / "images", folder / "masks")


def etis_of_the_challenge(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """TIFF files; those of the masks begin with a p."""
    base, truth = folder / "ETIS-LaribPolypDB", {}
    for stem in ("1", "2", "196"):
        picture, mask = draw(rng)
        save(base / "ETIS-LaribPolypDB" / f"{stem}.tif", picture)
        save(base / "Ground Truth" / f"p{stem}.tif", mask)
        truth[stem] = mask
    return truth


def clinicdb_twice(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Kaggle's copy has every picture as TIFF and as PNG, and a picture of something else."""
    truth = {}
    for frame in ("1", "30", "60", "612"):
        picture, mask = draw(rng)
        for kind in ("PNG", "TIF"):
            save(folder / kind / "Original" / f"{frame}.{kind.lower()}", picture)
            save(folder / kind / "Ground Truth" / f"{frame}.{kind.lower()}", mask)
        truth[frame] = mask
    return truth


def busuc_of_mendeley(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """All/ repeats the other two folders."""
    base, truth = folder / "BUS_UC" / "BUS_UC" / "BUS_UC", {}
    for kind, start in (("Benign", 0), ("Malignant", 400)):
        stems = [f"{start + i:05d}" for i in range(4)]
        truth |= write_pairs(rng, stems, base / kind / "images", base / kind / "masks")
        shutil.copytree(base / kind, base / "All", dirs_exist_ok=True)
    return truth


def brisc_of_figshare(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Tumors with masks, and tumor-free slices beside a second copy of the others."""
    base, truth = folder / "brisc2025", {}
    for part, count in (("train", 10), ("test", 2)):
        stems = [f"brisc2025_{part}_{i:05d}_{kind}_ax_t1" for i in range(count) for kind in ("me", "gl", "pi")]
        segmentation = base / "segmentation_task" / part
        truth |= write_pairs(rng, stems, segmentation / "images", segmentation / "masks", ".jpg")
        picture, mask = draw(rng)
        classification = base / "classification_task" / part
        save(classification / "glioma" / f"brisc2025_{part}_00000_gl_ax_t1.jpg", picture)
        save(classification / "no_tumor" / f"brisc2025_{part}_00099_no_ax_t1.jpg", picture)
        truth[f"brisc2025_{part}_00099_no_ax_t1"] = mask & False
    return truth


def uwaterloo_originals(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Two archives; D36_2 is another photograph of the lesion of D36."""
    truth = {}
    content = {
        "melanoma": {"dermIS": ["SSM15", "SSM16"], "dermquest": ["D36", "D36_2"]},
        "notmelanoma": {"dermis": ["48"]},
    }
    for number, (kind, folders) in enumerate(content.items(), start=1):
        for place, names in folders.items():
            for name in names:
                picture, mask = draw(rng)
                save(folder / "skin_data" / kind / place / f"{name}_orig.jpg", picture)
                save(folder / "skin_data" / kind / place / f"{name}_contour.png", mask)
                truth[f"{place}_{name}_dermoscopy_skin"] = mask
        shutil.make_archive(str(folder / f"skin_image_data_set-{number}"), "zip", folder, "skin_data")
        shutil.rmtree(folder / "skin_data")
    return truth


OTHER_FORMS = {
    "camus, later release": camus_nifti,
    "dfu, split anew": dfu_split_anew,
    "bkai, archives in an archive": bkai_archives,
    "btmri, all at once": btmri_download_all,
    "kvasir_seg, HyperKvasir": hyper_kvasir,
    "qata_cov19, LViT": lvit,
    "mosmed, LViT": mosmed_of_lvit,
    "mosmed, without sentences": mosmed_without_sentences,
    "monuseg, LViT": monuseg_lvit,
    "kvasir_instrument, Kaggle": kvasir_instrument_of_kaggle,
    "tn3k, without folds": tn3k_without_folds,
    "etis, Kaggle": etis_of_kaggle,
    "etis, challenge": etis_of_the_challenge,
    "clinicdb, Kaggle": clinicdb_twice,
    "busuc, Mendeley": busuc_of_mendeley,
    "brisc, figshare": brisc_of_figshare,
    "uwaterloo_skin, originals": uwaterloo_originals,
}
