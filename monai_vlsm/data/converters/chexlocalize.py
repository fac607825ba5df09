"""CheXlocalize: findings in chest X-rays, run-length encoded in JSON."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from monai_vlsm.data.raw import Case, Mask, RawFiles, optional_module, prepared_name


def chexlocalize(files: RawFiles) -> list[Case]:
    """Read gt_segmentations_{val,test}.json and the X-rays patient*/study*/view*.jpg; a case per finding."""
    pattern = r"(?P<patient>patient\d+)/(?P<study>study\d+)/view\w+\.(?:jpg|png)"
    pictures = {f"{found['patient']}_{found['study']}_{path.stem}": path for path, found in files.matching(pattern)}
    cases = []
    for path, _ in files.matching(r"gt_segmentations_\w+\.json"):
        for stem, findings in json.loads(path.read_text(encoding="utf-8")).items():
            if stem not in pictures:
                continue
            picture = pictures[stem]
            cases += [
                Case(
                    image=f"{stem}{prepared_name(picture).removeprefix(picture.stem)}",
                    label=f"{stem}_{finding.lower().replace(' ', '_')}.png",
                    image_source=picture,
                    read_mask=partial(_decode, encoded),
                    class_name=finding,
                    group=stem.split("_")[0],
                )
                for finding, encoded in findings.items()
                if _area(encoded)
            ]
    return cases


def _area(encoded: dict[str, Any]) -> int:
    return int(optional_module("pycocotools.mask").area(encoded))


def _decode(encoded: dict[str, Any]) -> Mask:
    return optional_module("pycocotools.mask").decode(encoded).astype(bool)
