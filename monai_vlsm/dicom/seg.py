"""Write segmentations as DICOM SEG, with highdicom: one object for all segments of an image, a film or a volume."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydicom import Dataset
from pydicom.uid import generate_uid

from monai_vlsm.data.whole import replace_whole
from monai_vlsm.dicom.codes import PRIVATE_SCHEME, Code, codes_of, plain_text
from monai_vlsm.dicom.header import no_values_in_errors
from monai_vlsm.dicom.patient import pass_on
from monai_vlsm.dicom.sources import Sources
from monai_vlsm.errors import DataError, UserError

_NAME = "monai_vlsm"
_FAMILY = Code("123110", "DCM", "Artificial Intelligence")
_IN_STACK_POSITION, _FRAME_CONTENT = 0x00209057, 0x00209111
_MOST_SEGMENTS = 2**16 - 1


@dataclass(frozen=True)
class Segment:
    """What one prompt found.

    Args:
        label: what it is; its coded name follows from it (``codes.codes_of``).
        mask: (W, H) or (W, H, D) in the axes of the file as ``read_dicom`` gives them; all but 0 is mask.
    """

    label: str
    mask: np.ndarray


def write_seg(
    path: Path, segments: Sequence[Segment], files: Path | Sequence[Path], made_with: str | None = None
) -> None:
    """Write a binary DICOM SEG with a segment per label; segments may overlap, and empty ones are written, too.

    Args:
        path: of the file, written whole or not at all.
        segments: in the order of their numbers, from 1 on.
        files: of the image: what was given to ``read_dicom``.
        made_with: checksum of the checkpoint, which becomes part of the algorithm's version.

    Raises:
        DataError: if a mask has another size than the image, or the image lacks what DICOM demands of it (type 1).
        UserError: if highdicom is not installed.
    """
    require_highdicom()
    if not 0 < len(segments) <= _MOST_SEGMENTS:
        raise DataError(f"a DICOM SEG has 1 to {_MOST_SEGMENTS:,} segments, not {len(segments):,}")
    with no_values_in_errors():
        sources = Sources.of(files)
    masks = np.stack([_turned(segment, sources.size) for segment in segments], axis=-1)
    with no_values_in_errors("highdicom cannot write a segmentation of this image"):
        written = _segmentation(segments, sources, masks[:1] if sources.is_film else masks, made_with)
        if len(masks) > 1:
            _keep_order(written, sources, masks)
        sources.claim(written)
        pass_on(sources.first, written)
    with replace_whole(path) as part:
        written.save_as(part)


def require_highdicom() -> None:
    """Raise a UserError if highdicom, which writes segmentations, is not installed."""
    if find_spec("highdicom") is None:
        raise UserError('DICOM SEG is written with highdicom: pip install "monai_vlsm[dicom]"')


def _turned(segment: Segment, size: tuple[int, int, int]) -> np.ndarray:
    """Return a mask as (frames, rows, columns) of 0 and 1."""
    mask = np.asarray(segment.mask)
    mask = mask[..., None] if mask.ndim == 2 else mask
    columns, rows, frames = size
    if mask.shape != size:
        raise DataError(
            f"the mask of {segment.label!r} has the shape {segment.mask.shape}, but the image has {columns} columns, "
            f"{rows} rows and {frames} frames: masks have these axes"
        )
    return (mask.transpose(2, 1, 0) != 0).astype(np.uint8)


def _segmentation(segments: Sequence[Segment], sources: Sources, masks: np.ndarray, made_with: str | None) -> Any:
    """Return highdicom's object for masks (frames, rows, columns, segments)."""
    from highdicom.seg import Segmentation, SegmentationTypeValues

    own_version = version(_NAME) + (f" checkpoint {made_with[:16]}" if made_with else "")
    return Segmentation(
        source_images=sources.datasets,
        pixel_array=masks,
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=_descriptions(segments, own_version),
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer=_NAME,
        manufacturer_model_name=_NAME,
        software_versions=own_version,
        device_serial_number=(made_with or own_version)[:64],
        content_label="SEGMENTATION",
        omit_empty_frames=False,
        series_description=f"{_NAME}: {', '.join(plain_text(segment.label) for segment in segments)}"[:64].strip(),
        coding_schemes=_private_scheme(segments),
    )


def _descriptions(segments: Sequence[Segment], own_version: str) -> list[Any]:
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
    from highdicom.sr import CodedConcept

    algorithm = AlgorithmIdentificationSequence(name=_NAME, family=CodedConcept(*_FAMILY), version=own_version)
    return [
        SegmentDescription(
            segment_number=number,
            segment_label=plain_text(segment.label),
            segmented_property_category=CodedConcept(*codes_of(segment.label)[0]),
            segmented_property_type=CodedConcept(*codes_of(segment.label)[1]),
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
        )
        for number, segment in enumerate(segments, start=1)
    ]


def _private_scheme(segments: Sequence[Segment]) -> list[Any] | None:
    from highdicom.coding_schemes import CodingSchemeIdentificationItem

    if not any(codes_of(segment.label)[1].scheme == PRIVATE_SCHEME for segment in segments):
        return None
    return [CodingSchemeIdentificationItem(PRIVATE_SCHEME, name="Labels of monai_vlsm", version=version(_NAME))]


def _keep_order(written: Dataset, sources: Sources, masks: np.ndarray) -> None:
    """Put the frames of each segment in the order of the image's; make those of a film from its first.

    highdicom counts slices from the other end, and writes several frames only where each has a place in the patient.

    Args:
        written: by highdicom.
        sources: of it.
        masks: (frames, rows, columns, segments) of 0 and 1.
    """
    frames, segments = masks.shape[0], masks.shape[-1]
    if sources.is_film:
        index = deepcopy(written.DimensionIndexSequence[0])
        index.DimensionIndexPointer, index.FunctionalGroupPointer = _IN_STACK_POSITION, _FRAME_CONTENT
        index.DimensionDescriptionLabel = "In-Stack Position Number"
        written.DimensionIndexSequence.append(index)
    given, groups = list(written.PerFrameFunctionalGroupsSequence), []
    for segment in range(segments):
        own = given[segment * len(given) // segments : (segment + 1) * len(given) // segments]
        own = [deepcopy(own[0]) for _ in range(frames)] if sources.is_film else sorted(own, key=sources.frame_of)
        for frame, group in enumerate(own, start=1):
            _number(group, segment + 1, frame, sources.is_film)
        groups += own
    written.PerFrameFunctionalGroupsSequence = groups
    written.NumberOfFrames = len(groups)
    bits = np.packbits(masks.transpose(3, 0, 1, 2).reshape(-1), bitorder="little").tobytes()
    written.PixelData = bits + b"\0" * (len(bits) % 2)


def _number(group: Dataset, segment: int, frame: int, is_film: bool) -> None:
    """Write the numbers of segment and frame, from 1 on, into the functional groups of a frame."""
    content = group.FrameContentSequence[0]
    content.DimensionIndexValues = [segment, frame]
    if is_film:
        content.StackID, content.InStackPositionNumber = "1", frame
        group.DerivationImageSequence[0].SourceImageSequence[0].ReferencedFrameNumber = frame
