"""MoNuSeg as the challenge gives it, with outlines in XML, and as LViT does, with sentences in sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from .drawing import SIZE, draw, save, write_sheet

TRAINING = ("TCGA-18-5592-01Z-00-DX1", "TCGA-38-6178-01Z-00-DX1", "TCGA-A7-A13E-01Z-00-DX1", "TCGA-DK-A2I6-01A-01-TS1")
TEST = ("TCGA-2Z-A9J9-01A-01-TS1", "TCGA-44-2665-01B-06-BS6")


def monuseg(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Outlines lie in a folder of their own for training, beside the images for the test."""
    training = folder / "MoNuSeg 2018 Training Data" / "MoNuSeg 2018 Training Data"
    truth = {}
    for stems, images, outlines in (
        (TRAINING, training / "Tissue Images", training / "Annotations"),
        (TEST, folder / "MoNuSegTestData", folder / "MoNuSegTestData"),
    ):
        for stem in stems:
            boxes = [(x, y, x + 4, y + 5) for x, y in zip((2, 20, 40), rng.integers(1, 20, 3), strict=True)]
            mask = np.zeros(SIZE, bool)
            for left, top, right, bottom in boxes:
                mask[top : bottom + 1, left : right + 1] = True
            gray = rng.normal(60, 8, SIZE) + 120 * mask
            save(images / f"{stem}.tif", np.repeat(gray.clip(0, 255).astype(np.uint8)[..., None], 3, axis=2))
            outlines.mkdir(parents=True, exist_ok=True)
            corners = [[(a, b), (c, b), (c, d), (a, d)] for a, b, c, d in boxes]
            write_outlines(outlines / f"{stem}.xml", [*corners, [(1, 1), (2, 2)]])
            truth[stem] = mask
    return truth


def write_outlines(path: Path, regions: list[list[tuple[float, float]]]) -> None:
    """Write outlines as Aperio ImageScope does."""
    text = "".join(
        f'<Region Id="{number}"><Attributes/><Vertices>'
        + "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in points)
        + "</Vertices></Region>"
        for number, points in enumerate(regions, start=1)
    )
    path.write_text(
        f'<Annotations MicronsPerPixel="0.252"><Annotation Id="1"><Regions>{text}</Regions></Annotation></Annotations>'
    )


def monuseg_lvit(folder: Path, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Images are TIFF, masks PNG; a sheet per part has a sentence for each mask."""
    truth = {}
    for part, stems in (("Train", TRAINING[:2]), ("Val", TRAINING[2:]), ("Test", TEST)):
        base = folder / "MoNuSeg" / f"{part}_Folder"
        for stem in stems:
            picture, mask = draw(rng)
            save(base / "img" / f"{stem}.tif", picture)
            save(base / "labelcol" / f"{stem}.png", mask)
            truth[stem] = mask
        rows = [(f"{stem}.png", f"purple nuclei of {stem}") for stem in stems]
        write_sheet(base / f"{part}_text.xlsx", ("Image", "Description"), *rows)
    return truth
