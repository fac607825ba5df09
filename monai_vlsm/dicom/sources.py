"""The images that a segmentation lies on, as highdicom wants to know them: made of checked values only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.uid import (
    UID,
    CTImageStorage,
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    EnhancedPETImageStorage,
    MRImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
)
from pydicom.valuerep import DS

from monai_vlsm.dicom.geometry import Place, even_step
from monai_vlsm.dicom.header import DicomFile, open_file
from monai_vlsm.dicom.patient import PASSED_ON
from monai_vlsm.dicom.pixels import Layout
from monai_vlsm.dicom.series import series_files, slices_in_order
from monai_vlsm.errors import DataError

_IDENTITIES = ("StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID")
_ALSO = (*_IDENTITIES, "FrameOfReferenceUID", "LossyImageCompression", *PASSED_ON)
_VOLUMETRIC = (
    *(CTImageStorage, EnhancedCTImageStorage, MRImageStorage, EnhancedMRImageStorage),
    *(PositronEmissionTomographyImageStorage, EnhancedPETImageStorage),
)
"""Kinds of images of which DICOM demands a place in the patient."""
_LONGEST_UID = 64
_UID = re.compile(r"[0-9]+(\.[0-9]+)+", re.ASCII)


@dataclass(frozen=True)
class Sources:
    """The files of one image in the order of its frames.

    Args:
        first: whose patient and study the others have, too.
        datasets: what a segmentation refers to.
        size: columns, rows, frames.
        has_space: whether the frames have a place in the patient.
    """

    first: DicomFile
    datasets: list[Dataset]
    size: tuple[int, int, int]
    has_space: bool

    @classmethod
    def of(cls, files: Path | Sequence[Path]) -> Sources:
        """Read the headers of an image.

        Raises:
            DataError: if they lack something that DICOM demands; the message names it.
        """
        paths = series_files(files)
        if len(paths) > 1:
            paths = [each.file.path for each in slices_in_order(paths)]
        opened = [open_file(path, also=_ALSO) for path in paths]
        layout = Layout.of(opened[0])
        groups = opened[0].header.frame_groups(layout.frames)
        places = [Place.of(opened[0].header, frame, groups) for frame in range(layout.frames)]
        if len(opened) > 1:
            places = [Place.of(file.header, 0, ((), ())) for file in opened]
        has_space = _has_space(opened, places)
        datasets = [_dataset(file, layout) for file in opened]
        for dataset, place in zip(datasets, places, strict=False):
            if has_space:
                _place(dataset, place)
            else:
                _make_picture(dataset)
        if has_space and len(opened) == 1:
            _describe_frames(datasets[0], places)
        return cls(opened[0], datasets, (layout.columns, layout.rows, len(places)), has_space)

    @property
    def is_film(self) -> bool:
        """Whether one file has several frames without a place of their own."""
        return len(self.datasets) < self.size[2] and not self.has_space

    def claim(self, written: Dataset) -> None:
        """Let a segmentation refer to the kind of image that its source is."""
        sop_class = UID(self.first.header.text("SOPClassUID"))
        for element in written.iterall():
            if element.keyword == "ReferencedSOPClassUID":
                element.value = sop_class

    def frame_of(self, group: Dataset) -> int:
        """Return which frame of the image, from 1 on, the functional groups of a segmentation's frame refer to."""
        source = group.DerivationImageSequence[0].SourceImageSequence[0]
        if "ReferencedFrameNumber" in source:
            return int(source.ReferencedFrameNumber)
        return [each.SOPInstanceUID for each in self.datasets].index(source.ReferencedSOPInstanceUID) + 1


def _has_space(opened: Sequence[DicomFile], places: Sequence[Place]) -> bool:
    """Tell whether frames have a place in the patient, as they must where DICOM demands it."""
    header = opened[0].header
    told = {
        "FrameOfReferenceUID": bool(header.text("FrameOfReferenceUID")),
        "ImagePositionPatient": all(place.position is not None for place in places),
        "ImageOrientationPatient": all(place.is_turned for place in places),
        "PixelSpacing": all(place.spacing is not None for place in places),
    }
    if all(told.values()):
        return len(opened) > 1 or len(places) == 1 or even_step(places) is not None
    if len(opened) > 1 or header.text("SOPClassUID") in _VOLUMETRIC:
        raise _missing(name for name, is_told in told.items() if not is_told)
    return False


def _dataset(file: DicomFile, layout: Layout) -> Dataset:
    """Return what identifies a file, its size, and empty values where DICOM wants an element that may be empty."""
    header, dataset = file.header, Dataset()
    identities = {name: header.text(name) for name in (*_IDENTITIES, "FrameOfReferenceUID")}
    if any(not identities[name] for name in _IDENTITIES):
        raise _missing(name for name in _IDENTITIES if not identities[name])
    for name, value in identities.items():
        if value and (len(value) > _LONGEST_UID or not _UID.fullmatch(value)):
            raise DataError(f"{name} of {file.path.name!r} is no valid identifier, which a segmentation refers to")
        if value:
            setattr(dataset, name, UID(value))
    dataset.Rows, dataset.Columns = layout.rows, layout.columns
    dataset.PatientID = dataset.PatientName = dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.AccessionNumber = dataset.StudyID = dataset.StudyDate = dataset.StudyTime = ""
    if header.text("LossyImageCompression") == "01":
        dataset.LossyImageCompression = "01"
    return dataset


def _place(dataset: Dataset, place: Place) -> None:
    dataset.ImagePositionPatient = _decimals(place.position)
    dataset.ImageOrientationPatient = _decimals([*place.across, *place.down])
    dataset.PixelSpacing = _decimals(place.spacing)
    dataset.SliceThickness = None if place.thickness is None else DS(place.thickness, auto_format=True)


def _make_picture(dataset: Dataset) -> None:
    """Pass an image without a place off as a plain picture, for highdicom, until ``Sources.claim`` puts that right.

    highdicom demands a place of every frame of a kind of image that can have several.
    """
    dataset.pop("FrameOfReferenceUID", None)
    dataset.SOPClassUID = SecondaryCaptureImageStorage


def _describe_frames(dataset: Dataset, places: Sequence[Place]) -> None:
    """Describe the frames of one file, which have one direction, as enhanced images do: there highdicom looks."""
    shared = Dataset()
    shared.PixelMeasuresSequence = [_part(dataset, "PixelSpacing", "SliceThickness")]
    shared.PlaneOrientationSequence = [_part(dataset, "ImageOrientationPatient")]
    dataset.NumberOfFrames, dataset.SharedFunctionalGroupsSequence = len(places), [shared]
    frames = []
    for place in places:
        frame, position = Dataset(), Dataset()
        position.ImagePositionPatient = _decimals(place.position)
        frame.PlanePositionSequence = [position]
        frames.append(frame)
    dataset.PerFrameFunctionalGroupsSequence = frames


def _part(dataset: Dataset, *keywords: str) -> Dataset:
    """Return some elements of a data set, without those that are empty."""
    part = Dataset()
    for keyword in keywords:
        if dataset[keyword].value is not None:
            setattr(part, keyword, dataset[keyword].value)
    return part


def _decimals(values: Iterable[float] | None) -> list[Any]:
    return [] if values is None else [DS(float(value), auto_format=True) for value in values]


def _missing(names: Iterable[str]) -> DataError:
    return DataError(
        f"a segmentation cannot refer to an image without {', '.join(names)}: DICOM demands it (type 1), and it is not "
        "invented here. Write NIfTI or PNG instead, or mend the image"
    )
