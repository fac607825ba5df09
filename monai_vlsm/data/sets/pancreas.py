"""Endoscopic ultrasound of the pancreas: tumors."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from monai_vlsm.data.sets.facts import NO_TERMS, DatasetFacts
from monai_vlsm.data.sets.raw import RawCase, RawFiles, empty_mask, read_named_mask


def eus(files: RawFiles) -> list[RawCase]:
    """Read EUS_cancer/ with its Annotations/ and EUS_healthy/, whose frames have no mask; a folder is a patient."""
    cases = []
    masks: dict[str, dict[str, Path]] = {}
    for path, found in files.matching(r"EUS_(?P<kind>cancer|healthy)/(?P<patient>[CH]\d+)/[^/]+\.tif"):
        patient = found["patient"]
        if patient not in masks:
            masks[patient] = files.in_folder(f"EUS_cancer/Annotations/{patient}")
        healthy = found["kind"].lower() == "healthy"
        name = f"{patient}_{path.stem}.png"
        cases.append(
            RawCase(
                image=name,
                label=name,
                image_source=path,
                read_mask=partial(empty_mask, path)
                if healthy
                else partial(read_named_mask, masks[patient].get(path.stem), path.stem),
                group=patient,
            )
        )
    return cases


SETS = (
    DatasetFacts(
        name="eus",
        title="Endoscopic ultrasound of the pancreas",
        modality="endoscopic ultrasound",
        target="tumor",
        prompt="Tumor in the endoscopic ultrasound image.",
        class_name="tumor",
        family="sentence",
        where="in the endoscopic ultrasound image",
        source="https://github.com/HealthX-Lab/MedCLIPSeg/blob/main/assets/DATASETS.md",
        licence=NO_TERMS,
        citation="M. Jaramillo et al.: Endoscopic ultrasound database of the pancreas. Proc. SPIE 11583 (2020).",
        size="38166 frames",
        raw="a folder with EUS_cancer/ and EUS_healthy/",
        medclipseg="EUS",
        read=eus,
        group=lambda stem: stem.split("_")[0],
    ),
)
