"""Colonoscopy: polyps."""

from __future__ import annotations

from bisect import bisect_right
from typing import Any

from monai_vlsm.data.sets.facts import ASK, DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, pair

_PRANET = "TestDataset.zip of PraNet (https://github.com/DengPingFan/PraNet)"


def _polyps(name: str, title: str, **facts: Any) -> DatasetFacts:
    return DatasetFacts(name, title, "colonoscopy", "polyp", "polyp", class_name="polyp", **facts)


# First frame of each of the 29 video sequences (README of CVC-ClinicDB); the published split cuts through all of them.
_CLINICDB_STARTS = (
    *(1, 26, 51, 68, 79, 104, 127, 152, 178, 200, 206, 228, 253, 278, 298, 318, 343, 364, 384, 409, 429, 448, 467),
    *(479, 504, 529, 547, 572, 592),
)
_CLINICDB_FRAMES = 612


def kvasir_seg(files: RawFiles) -> list[RawCase]:
    """Read images/ and masks/ with JPEG masks."""
    return pair(files, "images", "masks")


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


SETS = (
    _polyps(
        "kvasir_seg",
        "Kvasir-SEG",
        source="https://datasets.simula.no/kvasir-seg/",
        licence="Research and education only; commercial use needs the authors' written permission.",
        citation="D. Jha et al.: Kvasir-SEG: A Segmented Polyp Dataset. MMM 2020.",
        size="1000 images",
        raw="kvasir-seg.zip",
        downloads=("https://datasets.simula.no/downloads/kvasir-seg.zip",),
        medvlsm="kvasir_polyp",
        medclipseg="Kvasir",
        read=kvasir_seg,
    ),
    _polyps(
        "bkai",
        "BKAI-IGH NeoPolyp-Small",
        source="https://www.kaggle.com/c/bkai-igh-neopolyp",
        licence="Kaggle login; the rules of the competition apply (research).",
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
        licence="Research and education only, commercial use forbidden. (c) Hospital Clinic, Barcelona, and CVC.",
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
        licence=f"Research only. {ASK}",
        citation="N. Tajbakhsh et al.: Automated Polyp Detection in Colonoscopy Videos. IEEE TMI 35 (2016).",
        size="380 frames",
        raw="TestDataset.zip (CVC-ColonDB/{images,masks}/)",
        medvlsm="colondb_polyp",
        medclipseg="ColonDB",
        evaluate_with="kvasir_seg",
        read=colondb,
    ),
    _polyps(
        "cvc300",
        "CVC-300",
        source=_PRANET,
        licence=f"Research only. {ASK}",
        citation="D. Vazquez et al.: A Benchmark for Endoluminal Scene Segmentation. arXiv 1612.00799 (2016).",
        size="60 frames",
        raw="TestDataset.zip (CVC-300/{images,masks}/)",
        evaluate_with="kvasir_seg",
        read=cvc300,
    ),
    _polyps(
        "etis",
        "ETIS-Larib",
        source="https://polyp.grand-challenge.org/EtisLarib/",
        licence=f"Property of the Lariboisiere hospital and the ETIS laboratory; research only. {ASK}",
        citation="J. Silva et al.: Toward embedded detection of polyps in WCE images. IJCARS 9 (2014).",
        size="196 frames",
        raw="TestDataset.zip (ETIS-LaribPolypDB/{images,masks}/)",
        medvlsm="etis_polyp",
        evaluate_with="kvasir_seg",
        read=etis,
    ),
)
