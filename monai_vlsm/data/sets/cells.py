"""Histopathology: cell nuclei."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image, ImageDraw

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.sets.facts import DatasetFacts
from monai_vlsm.data.sets.medclipseg import with_sentences
from monai_vlsm.data.sets.raw import RawCase, RawFiles, one_per_name, open_raw_picture, prepared_name
from monai_vlsm.errors import DataError, MissingFileError

Point = tuple[float, float]

_PROMPT = "cell nuclei"


def monuseg(files: RawFiles) -> list[RawCase]:
    """Read the challenge's archives: TCGA-*.tif, and below the same part outlines of each nucleus in TCGA-*.xml."""
    pattern = r"MoNuSeg[^/]*(?P<part>Train|Test)[^/]*/(?:[^/]+/)?(?P<stem>TCGA-[^/]+)\.(?P<kind>tiff?|xml)"
    found = one_per_name(
        ((match["part"].lower(), match["stem"], match["kind"].lower() == "xml"), path)
        for path, match in files.matching(pattern)
    )
    return [
        RawCase(
            image=prepared_name(path),
            label=f"{stem}.png",
            image_source=path,
            read_mask=partial(_nuclei, path, found.get((part, stem, True)), f"{stem}.xml"),
            group=tcga_patient(stem),
            split="test" if part == "test" else "",
        )
        for (part, stem, is_outline), path in found.items()
        if not is_outline
    ]


def tcga_patient(stem: str) -> str:
    """Return the patient in a name such as TCGA-18-5592-01Z-00-DX1; empty if there is none."""
    found = re.search(r"TCGA-\w{2}-\w{4}", stem)
    return found[0] if found else ""


def _nuclei(image: Path, outlines: Path | None, name: str) -> Mask:
    """Fill the outlines of an image."""
    if outlines is None:
        raise MissingFileError(f"the outlines of its nuclei {name!r} are missing")
    size = open_raw_picture(image).size
    picture = Image.new("L", size)
    brush = ImageDraw.Draw(picture)
    for points in _outlines(outlines, size):
        brush.polygon(points, fill=1)
    return np.array(picture, dtype=bool)


def _outlines(path: Path, size: tuple[int, int]) -> list[list[Point]]:
    """Read what Aperio ImageScope writes: ``Region``s with their ``Vertex``es, whose X and Y are in pixels.

    Args:
        path: of the XML.
        size: width and height of the image; outlines may lead a little beyond it, but not by its size.

    Raises:
        DataError: if there is no outline of three points, or one belongs to another image.
    """
    try:
        text = path.read_bytes()
        # The entities of a document type can grow without end; the zeros are those of UTF-16.
        if b"<!" in text.replace(b"\0", b"").replace(b"<!--", b""):
            raise ValueError("a document type is not expected")
        regions = [
            [(float(vertex.attrib["X"]), float(vertex.attrib["Y"])) for vertex in region.iter("Vertex")]
            for region in ElementTree.fromstring(text).iter("Region")
        ]
    except (ElementTree.ParseError, KeyError, ValueError, LookupError) as error:
        raise DataError(f"its outlines {path.name!r} cannot be read: {error}") from error
    outlines = [points for points in regions if len(points) > 2]  # fewer enclose nothing
    if not outlines:
        raise DataError(f"{path.name!r} has no outline")
    corners = np.array([point for points in outlines for point in points])
    if not (np.abs(corners - np.array(size) / 2) <= 1.5 * np.array(size)).all():  # also of NaN
        raise DataError(f"the outlines {path.name!r} do not lie in its {size[0]} x {size[1]} pixels")
    return outlines


SETS = (
    DatasetFacts(
        name="monuseg",
        title="MoNuSeg",
        modality="H&E histology",
        target="cell nuclei",
        prompt=_PROMPT,
        class_name=_PROMPT,
        scattered=True,
        source="https://monuseg.grand-challenge.org/Data/; with a sentence per image: https://github.com/HUANGLIZI/LViT",
        license="CC BY-NC-SA 4.0 according to people who pass it on. Check the page of the challenge.",
        citation=(
            "N. Kumar et al.: A Dataset and a Technique for Generalized Nuclear Segmentation for Computational "
            "Pathology. IEEE TMI 36 (2017)."
        ),
        prompt_source=(
            "The prompts were made from the masks,\nor are the sentences of https://github.com/HUANGLIZI/LViT (MIT)."
        ),
        size="30 and 14 images (newer copies: 37 and 14); LViT: 24 / 6 / 14",
        raw=(
            "MoNuSeg 2018 Training Data/{Tissue Images,Annotations}/ and MoNuSegTestData/ (.tif, outlines in .xml), or "
            "{Train,Val,Test}_Folder/ of LViT; with the sheets of LViT, {Train,Val,Test}_text.xlsx, for its sentences"
        ),
        texts="LViT",
        checksums={
            "the training archive": "25d3d3185bb2970b397cafa72eb664c9b4d24294aee382e7e3df9885affce742",
            "the test archive": "13e522387ae8b1bcc0530e13ff9c7b4d91ec74959ef6f6e57747368d7ee6f88a",
        },
        read=monuseg,
        finish=partial(with_sentences, prompt=_PROMPT),
        group=tcga_patient,
        batch_size=4,
    ),
)
