"""Write the images and masks of cases into the folder of a data set, and make prompts from the masks."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from monai_vlsm.data.masks import Mask
from monai_vlsm.data.pictures import MORE_THAN_8_BITS, digest_of_pixels
from monai_vlsm.data.prepare.placing import LeftOut, PreparedCase
from monai_vlsm.data.prompts import LocationRule, prompts_from_mask
from monai_vlsm.data.sets import DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, open_raw_picture
from monai_vlsm.errors import DataError, UserError


def write_all(
    cases: list[RawCase], folder: Path, facts: DatasetFacts, location_rule: LocationRule, progress: bool
) -> tuple[dict[str, PreparedCase], list[LeftOut]]:
    """Write the files of all cases; those that cannot be used are told with their reason."""
    done: dict[str, PreparedCase] = {}
    skipped = []
    pictures: dict[str, tuple[tuple[int, int], str]] = {}
    for case in tqdm(cases, desc=f"Preparing {facts.name}", unit="mask", disable=not progress):
        try:
            if case.image not in pictures:
                pictures[case.image] = _write_image(case, folder / "images" / case.image)
            size, digest = pictures[case.image]
            mask = case.read_mask()
            if mask.shape != size[::-1]:
                raise DataError(f"its mask is {mask.shape[::-1]} pixels large, the image {size}")
            _write_mask(mask, folder / "masks" / case.label)
        except (UserError, ValueError) as error:
            skipped.append(LeftOut(str(error), case.key))
            continue
        done[case.key] = PreparedCase(case, size, not mask.any(), digest, _generated(case, mask, facts, location_rule))
    for name in set(pictures) - {item.case.image for item in done.values()}:
        (folder / "images" / name).unlink()
    return done, skipped


def _write_image(case: RawCase, path: Path) -> tuple[tuple[int, int], str]:
    """Write an image and return its size and the digest of its pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = case.image_source
    if not isinstance(source, Path):
        picture = Image.fromarray(source())
        picture.save(path)
        return picture.size, digest_of_pixels(np.array(picture.convert("RGB")))
    picture = open_raw_picture(source)
    if picture.mode in MORE_THAN_8_BITS:
        raise DataError(f"its image has values beyond 8 bits (mode {picture.mode}), which is not expected in this set")
    if source.suffix.lower() == path.suffix.lower():
        shutil.copyfile(source, path)
    else:
        picture.convert("RGB" if picture.mode not in ("L", "RGB") else picture.mode).save(path)
    return picture.size, digest_of_pixels(np.array(picture.convert("RGB")))


def _write_mask(mask: Mask, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask.astype(np.uint8) * 255).save(path)


def _generated(case: RawCase, mask: Mask, facts: DatasetFacts, location_rule: LocationRule) -> dict[str, list[str]]:
    name = case.class_name or facts.class_name or facts.target
    return case.prompts or prompts_from_mask(
        mask,
        name,
        family=facts.family,  # type: ignore[arg-type]
        where=facts.where,
        location_rule=location_rule,
        kind=case.kind,
        tell_empty=False,
        scattered=facts.scattered,
    )
