"""Colonoscopy: polyps."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace
from typing import Any

from monai_vlsm.data.sets.facts import ASK, DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, pair

_PRANET = "TestDataset.zip of PraNet (https://github.com/DengPingFan/PraNet)"
_NOT_INDEPENDENT = (
    "CVC-300 seems to be frames 149 to 208 of CVC-ColonDB, nobody has compared the pixels: results on both are perhaps "
    "not independent, and the published prompts of CVC-300, which are those of ColonDB, not its own"
)


def _polyps(name: str, title: str, **facts: Any) -> DatasetFacts:
    return DatasetFacts(name, title, "colonoscopy", "polyp", "polyp", class_name="polyp", **facts)


# First frame of each of the 29 video sequences (README of CVC-ClinicDB); the published split cuts through all of them.
_CLINICDB_STARTS = (
    *(1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298, 318, 343, 364, 384, 409, 429, 448, 467),
    *(479, 504, 529, 547, 572, 592),
)
_CLINICDB_FRAMES = 612
_POLYPGEN_CENTERS = ("C1", "C2", "C3", "C4", "C5", "C6")


def kvasir_seg(files: RawFiles) -> list[RawCase]:
    """Read images/ and masks/ with JPEG masks; of all of HyperKvasir those in segmented-images/ only."""
    folder = "segmented-images/" if files.in_folder("segmented-images/images") else ""
    return pair(files, f"{folder}images", f"{folder}masks")


def bkai(files: RawFiles) -> list[RawCase]:
    """Read train/ and train_gt/, neoplastic polyps red and others green."""
    return pair(files, "train", "train_gt")


def clinicdb_sequence(stem: str) -> str:
    """Return the video sequence of a frame, "sequence 01" to "sequence 29"; empty if ``stem`` is no frame's number."""
    frame = int(stem) if stem.isdecimal() else 0
    return f"sequence {bisect_right(_CLINICDB_STARTS, frame):02d}" if 1 <= frame <= _CLINICDB_FRAMES else ""


def clinicdb(files: RawFiles) -> list[RawCase]:
    """Read Original/ and Ground Truth/, TIF or PNG."""
    return pair(files, "Original", "Ground Truth", group=clinicdb_sequence)


def colondb(files: RawFiles) -> list[RawCase]:
    """Read CVC-ColonDB of the test sets of PraNet."""
    return pair(files, "CVC-ColonDB/images", "CVC-ColonDB/masks")


def cvc300(files: RawFiles) -> list[RawCase]:
    """Read CVC-300 of the test sets of PraNet."""
    return pair(files, "CVC-300/images", "CVC-300/masks")


def etis(files: RawFiles) -> list[RawCase]:
    """Read the test sets of PraNet, the challenge's archive (N.tif and pN.tif), or Kaggle's images/ and masks/."""
    pranet = pair(files, "ETIS-LaribPolypDB/images", "ETIS-LaribPolypDB/masks")
    challenge = pair(files, "ETIS-LaribPolypDB", "Ground Truth", mask_stem="p{}".format, label_stem=str)
    # The numbers of the other sets are the same.
    others = any(files.in_folder(f"{other}/images") for other in ("CVC-300", "CVC-ClinicDB", "CVC-ColonDB", "Kvasir"))
    return pranet or challenge or ([] if others else pair(files, "images", "masks"))


def polypgen(files: RawFiles) -> list[RawCase]:
    """Read the single frames of data_C1/ to data_C6/; the center is the group, and a folder of the prepared files."""
    return [
        replace(case, image=f"{center}/{case.image}", label=f"{center}/{case.label}", group=center)
        for center in _POLYPGEN_CENTERS
        for case in pair(files, f"images_{center}", f"masks_{center}", mask_stem="{}_mask".format, label_stem=str)
    ]


SETS = (
    _polyps(
        "kvasir_seg",
        "Kvasir-SEG",
        source="https://datasets.simula.no/kvasir-seg/",
        license=(
            "Research and education only; commercial use needs the authors' written permission. HyperKvasir "
            "(https://datasets.simula.no/hyper-kvasir/), which has the same 1000 pairs in segmented-images/, is "
            "CC BY 4.0."
        ),
        citation="D. Jha et al.: Kvasir-SEG: A Segmented Polyp Dataset. MMM 2020.",
        size="1000 images",
        raw="kvasir-seg.zip, or segmented-images/ of HyperKvasir",
        downloads={
            "https://datasets.simula.no/downloads/kvasir-seg.zip": (
                "03b30e21d584e04facf49397a2576738fd626815771afbbf788f74a7153478f7"
            )
        },
        medvlsm="kvasir_polyp",
        medclipseg="Kvasir",
        read=kvasir_seg,
    ),
    _polyps(
        "bkai",
        "BKAI-IGH NeoPolyp-Small",
        source="https://www.kaggle.com/c/bkai-igh-neopolyp",
        license="Kaggle login; the rules of the competition apply (research).",
        citation=(
            "P. Ngoc Lan et al.: NeoUNet: Towards Accurate Colon Polyp Segmentation and Neoplasm Detection. ISVC 2021."
        ),
        size="1000 images",
        raw="bkai-igh-neopolyp.zip (train/, train_gt/)",
        medvlsm="bkai_polyp",
        medclipseg="BKAI",
        leaks="2 training images are in validation, 1 in the test, 1 is there twice: --split deduplicated",
        read=bkai,
    ),
    _polyps(
        "clinicdb",
        "CVC-ClinicDB",
        source="https://polyp.grand-challenge.org/CVCClinicDB/",
        license="Research and education only, commercial use forbidden. (c) Hospital Clinic, Barcelona, and CVC.",
        citation=(
            "J. Bernal et al.: WM-DOVA maps for accurate polyp highlighting in colonoscopy. "
            "Computerized Medical Imaging and Graphics 43 (2015)."
        ),
        size="612 frames of 29 sequences",
        raw="the unpacked CVC-ClinicDB.rar (Original/, Ground Truth/), or the PNG or TIF archive of its Kaggle copy",
        medvlsm="clinicdb_polyp",
        medclipseg="ClinicDB",
        leaks="frames of all 25 video sequences in the test are in training, too: --split by_sequence",
        read=clinicdb,
        group=clinicdb_sequence,
    ),
    _polyps(
        "colondb",
        "CVC-ColonDB",
        source=_PRANET,
        license=f"Research only. {ASK}",
        citation="N. Tajbakhsh et al.: Automated Polyp Detection in Colonoscopy Videos. IEEE TMI 35 (2016).",
        size="380 frames",
        raw="TestDataset.zip (CVC-ColonDB/{images,masks}/)",
        medvlsm="colondb_polyp",
        medclipseg="ColonDB",
        leaks=_NOT_INDEPENDENT,
        evaluate_with="kvasir_seg",
        read=colondb,
    ),
    _polyps(
        "cvc300",
        "CVC-300",
        source=_PRANET,
        license=f"Research only. {ASK}",
        citation="D. Vazquez et al.: A Benchmark for Endoluminal Scene Segmentation. arXiv 1612.00799 (2016).",
        size="60 frames",
        raw="TestDataset.zip (CVC-300/{images,masks}/)",
        leaks=_NOT_INDEPENDENT,
        evaluate_with="kvasir_seg",
        read=cvc300,
    ),
    _polyps(
        "etis",
        "ETIS-Larib",
        source=_PRANET,
        license=f"Property of the Lariboisiere hospital and the ETIS laboratory; research only. {ASK}",
        citation="J. Silva et al.: Toward embedded detection of polyps in WCE images. IJCARS 9 (2014).",
        size="196 frames",
        raw=(
            "TestDataset.zip (ETIS-LaribPolypDB/{images,masks}/), Kaggle's images/ and masks/, or the unpacked "
            "ETIS-LaribPolypDB.rar of the challenge"
        ),
        medvlsm="etis_polyp",
        evaluate_with="kvasir_seg",
        read=etis,
    ),
    _polyps(
        "polypgen",
        "PolypGen",
        source="https://www.synapse.org/Synapse:syn26376615 (login)",
        license="CC BY 4.0.",
        citation="S. Ali et al.: PolypGen. Scientific Data 10 (2023), doi 10.1038/s41597-023-01981-y.",
        size="1537 single frames of six centers",
        raw="PolypGen2021_MultiCenterData_v3.zip (data_C1/ to data_C6/)",
        leaks=(
            "only the center of a frame is known, not its patient, of whom there are more than 300: intervals over six "
            "centers are wide; the frames of sequences are not read"
        ),
        evaluate_with="kvasir_seg",
        read=polypgen,
    ),
)
