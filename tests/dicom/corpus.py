"""DICOM files of one picture in every kind that is read, made with pydicom; and what must be seen in each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pydicom import Dataset, uid
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate

ROWS, COLUMNS, FRAMES = 36, 48, 4
SECRET = "Hopper^Grace"
"""Name of the patient, who must not be told."""

PICTURE = (np.add.outer(np.arange(ROWS) * 2, np.arange(COLUMNS) * 3) + 20).astype(np.uint8)
"""Upright (rows, columns): brighter to the right and to the bottom, with a white block at the top left."""
PICTURE[3:8, 4:14] = 250
COLORS = np.stack([PICTURE, PICTURE // 2, 255 - PICTURE], axis=-1)
FILM = np.stack([np.roll(PICTURE, frame * 3, axis=1) for frame in range(FRAMES)])
COLOR_FILM = np.stack([np.roll(COLORS, frame * 3, axis=1) for frame in range(FRAMES)])

# With this window, 12-bit values of 16 times the picture are shown as the picture.
WIDTH, CENTER = 16 * 255 + 1, 16 * 255 / 2 + 0.5
IDENTITY = np.diag([-1.0, -1, 1, 1])


@dataclass(frozen=True)
class Case:
    """A file and what is seen in it.

    Args:
        write: makes it.
        shown: (rows, columns[, 3]) or (frames, rows, columns[, 3]) as ``read_dicom`` must give it.
        affine: of the file, to RAS.
        known: axes with known distances.
        tolerance: gray levels that compression may change.
    """

    write: Callable[[Path], Dataset]
    shown: np.ndarray
    affine: np.ndarray = field(default_factory=lambda: IDENTITY)
    known: int = 0
    tolerance: float = 0

    @property
    def is_picture(self) -> bool:
        return self.shown is PICTURE and not self.tolerance


def dataset(sop_class: str, pixels: np.ndarray, bits: int = 8, **elements: Any) -> Dataset:
    """Return a data set of pixels (rows, columns[, 3]) or (frames, rows, columns[, 3])."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = sop_class, uid.generate_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID = uid.generate_uid(), uid.generate_uid()
    made.PatientName, made.PatientID, made.PatientBirthDate, made.PatientSex = SECRET, "hopper-1906", "19061209", "F"
    made.StudyDate, made.StudyTime, made.StudyID, made.AccessionNumber = "20260102", "101112", "7", "acc-1906"
    made.ReferringPhysicianName, made.Modality, made.InstanceNumber = "", "OT", 1
    is_color = pixels.shape[-1] == 3
    made.SamplesPerPixel, made.PhotometricInterpretation = (3, "RGB") if is_color else (1, "MONOCHROME2")
    if is_color:
        made.PlanarConfiguration = 0
    plane = pixels.shape[:-1] if is_color else pixels.shape
    made.Rows, made.Columns = plane[-2:]
    if len(plane) == 3:
        made.NumberOfFrames = plane[0]
    made.BitsAllocated, made.BitsStored, made.HighBit = 8 * pixels.dtype.itemsize, bits, bits - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.PixelData = pixels.tobytes()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def save(made: Dataset, path: Path) -> Dataset:
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.save_as(path, enforce_file_format=True)
    return made


def gray(sop_class: str, pixels: np.ndarray, bits: int = 8, **elements: Any) -> Callable[[Path], Dataset]:
    return lambda path: save(dataset(sop_class, pixels, bits, **elements), path)


def item(**elements: Any) -> list[Dataset]:
    """Return a sequence of one item."""
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return [made]


def placed(position: tuple[float, float, float], turned: tuple[float, ...] = (1, 0, 0, 0, 1, 0)) -> dict[str, Any]:
    """Return the elements of a slice in the patient, of a frame of reference that all share."""
    return {
        "ImagePositionPatient": list(position),
        "ImageOrientationPatient": list(turned),
        "PixelSpacing": [2, 3],
        "SliceThickness": 5,
        "FrameOfReferenceUID": "1.2.840.99.1",
    }


def affine(position: tuple[float, float, float], step: tuple[float, float, float]) -> np.ndarray:
    """Return the affine to RAS of an axial image with the spacing of ``placed``."""
    lps = np.eye(4)
    lps[0, 0], lps[1, 1], lps[:3, 2], lps[:3, 3] = 3, 2, step, position
    return np.diag([-1.0, -1, 1, 1]) @ lps


def window(center: float = CENTER, width: float = WIDTH, **elements: Any) -> dict[str, Any]:
    return {"WindowCenter": center, "WindowWidth": width, **elements}


def table(values: np.ndarray, first: int, bits: int) -> Dataset:
    """Return the item of a lookup table."""
    made = Dataset()
    made.add_new("LUTDescriptor", "US", [len(values), first, bits])
    made.add_new("LUTData", "US", values.tolist())
    return made


def ybr(colors: np.ndarray) -> np.ndarray:
    """Return YBR_FULL of RGB, by the formula of DICOM PS3.3 C.7.6.3.1.2."""
    matrix = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
    return np.clip(np.rint(colors @ matrix.T + [0, 128, 128]), 0, 255).astype(np.uint8)


def write_halved(path: Path) -> Dataset:
    """Write YBR_FULL_422: two pixels beside each other share their colors."""
    full = ybr(BLOCKS)
    pairs = full.reshape(ROWS, COLUMNS // 2, 2, 3)
    halved = np.stack([pairs[..., 0, 0], pairs[..., 1, 0], pairs[..., 0, 1], pairs[..., 0, 2]], axis=-1)
    made = dataset(uid.UltrasoundImageStorage, BLOCKS, PhotometricInterpretation="YBR_FULL_422")
    made.PixelData = halved.tobytes()
    return save(made, path)


BLOCKS = COLORS[:, ::2].repeat(2, axis=1)
"""Of the same colors in pairs of pixels."""


def write_palette(path: Path) -> Dataset:
    made = dataset(uid.UltrasoundImageStorage, PICTURE, PhotometricInterpretation="PALETTE COLOR")
    every = np.arange(256)
    for name, values in (("Red", every), ("Green", every // 2), ("Blue", 255 - every)):
        made.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [256, 0, 16])
        setattr(made, f"{name}PaletteColorLookupTableData", (values * 257).astype("<u2").tobytes())
    return save(made, path)


def write_jpeg(path: Path) -> Dataset:
    stream = BytesIO()
    Image.fromarray(COLORS).save(stream, "JPEG", quality=98, subsampling=0)
    made = dataset(uid.VLEndoscopicImageStorage, COLORS, PhotometricInterpretation="YBR_FULL")
    made.PixelData = encapsulate([stream.getvalue()])
    made["PixelData"].VR = "OB"
    made.file_meta.TransferSyntaxUID = uid.JPEGBaseline8Bit
    made.LossyImageCompression = "01"
    return save(made, path)


def compressed(syntax: uid.UID, made: Callable[[], Dataset]) -> Callable[[Path], Dataset]:
    def write(path: Path) -> Dataset:
        packed = made()
        packed.compress(syntax, generate_instance_uid=False)
        return save(packed, path)

    return write


def write_lossless_jpeg(path: Path) -> Dataset:
    """Write JPEG lossless, which pydicom cannot; GDCM can."""
    import gdcm

    made = save(dataset(uid.CTImageStorage, TWELVE, 12, **placed((10, 20, 30)), **window()), path)
    reader = gdcm.ImageReader()
    reader.SetFileName(str(path))
    reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
    change.SetInput(reader.GetImage())
    change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(str(path))
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    writer.Write()
    return made


def enhanced(sop_class: str, step: tuple[float, float, float]) -> Callable[[Path], Dataset]:
    """Write frames with a place each; window and rescaling are told in functional groups."""

    def write(path: Path) -> Dataset:
        made = dataset(sop_class, FILM.astype("<u2") * 16, 12, FrameOfReferenceUID="1.2.840.99.1")
        made.SharedFunctionalGroupsSequence = item(
            PlaneOrientationSequence=item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0]),
            PixelMeasuresSequence=item(PixelSpacing=[2, 3], SliceThickness=5),
            FrameVOILUTSequence=item(**window(CENTER * 2, (WIDTH - 1) * 2 + 1)),
        )
        made.PerFrameFunctionalGroupsSequence = [
            item(
                PlanePositionSequence=item(
                    ImagePositionPatient=[begin + frame * way for begin, way in zip((10, 20, 30), step, strict=True)]
                ),
                PixelValueTransformationSequence=item(RescaleSlope=2, RescaleIntercept=0.5, RescaleType="US"),
            )[0]
            for frame in range(FRAMES)
        ]
        return save(made, path)

    return write


TWELVE = PICTURE.astype("<u2") * 16
SIGNED = TWELVE.astype("<i2") - 2048
PADDED = np.where(PICTURE == 250, np.uint16(4095), TWELVE).astype("<u2")
TISSUE = {"PhysicalUnitsXDirection": 3, "PhysicalUnitsYDirection": 3, "RegionSpatialFormat": 1}
REGION = item(PhysicalDeltaX=0.03, PhysicalDeltaY=0.02, **TISSUE)
REGION_AFFINE = np.diag([-0.3, -0.2, 1, 1])
AXIAL = affine((10, 20, 30), (0, 0, 5))
SIGMOID = np.rint(255 / (1 + np.exp(-4 * (TWELVE - 2000.0) / 1000))).astype(np.uint8)
SQUARES = np.rint((np.arange(4096) / 4095) ** 2 * 65535).astype(np.uint16)

CASES = {
    "cr_window": Case(gray(uid.ComputedRadiographyImageStorage, TWELVE, 12, **window()), PICTURE),
    "cr_monochrome1_window": Case(
        gray(
            uid.ComputedRadiographyImageStorage,
            4095 - TWELVE,
            12,
            PhotometricInterpretation="MONOCHROME1",
            **window(4096 - CENTER),
        ),
        PICTURE,
    ),
    "cr_monochrome1": Case(
        gray(uid.ComputedRadiographyImageStorage, 4095 - TWELVE, 12, PhotometricInterpretation="MONOCHROME1"), TWELVE
    ),
    "cr_monochrome1_8_bit": Case(
        gray(uid.ComputedRadiographyImageStorage, 255 - PICTURE, PhotometricInterpretation="MONOCHROME1"), PICTURE
    ),
    "cr_detector_spacing": Case(
        gray(uid.ComputedRadiographyImageStorage, TWELVE, 12, ImagerPixelSpacing=[0.2, 0.3], **window()),
        PICTURE,
        REGION_AFFINE,
        2,
    ),
    "cr_voi_table": Case(
        gray(uid.ComputedRadiographyImageStorage, TWELVE, 12, VOILUTSequence=[table(SQUARES, 0, 16)]),
        np.rint(SQUARES[TWELVE] / 257).astype(np.uint8),
    ),
    "dx_modality_table": Case(
        gray(
            uid.DigitalXRayImageStorageForPresentation,
            PICTURE,
            ModalityLUTSequence=[table(np.arange(256) * 16, 0, 16)],
            **window(),
        ),
        PICTURE,
    ),
    "dx_16_bit": Case(gray(uid.DigitalXRayImageStorageForPresentation, TWELVE * np.uint16(15), 16), TWELVE * 15),
    "ct_rescaled": Case(
        gray(
            uid.CTImageStorage,
            SIGNED,
            16,
            RescaleSlope="1",
            RescaleIntercept="2048",
            **placed((10, 20, 30)),
            **window(),
        ),
        PICTURE,
        AXIAL,
        3,
    ),
    "ct_two_windows": Case(
        gray(uid.CTImageStorage, TWELVE, 12, **placed((10, 20, 30)), **window([CENTER, 40], [WIDTH, 400])),
        PICTURE,
        AXIAL,
        3,
    ),
    "ct_linear_exact": Case(
        gray(
            uid.CTImageStorage,
            TWELVE,
            12,
            **placed((10, 20, 30)),
            **window(2040, 4080, VOILUTFunction="LINEAR_EXACT"),
        ),
        PICTURE,
        AXIAL,
        3,
    ),
    "ct_sigmoid": Case(
        gray(uid.CTImageStorage, TWELVE, 12, **placed((10, 20, 30)), **window(2000, 1000, VOILUTFunction="SIGMOID")),
        SIGMOID,
        AXIAL,
        3,
    ),
    "ct_padding": Case(
        gray(uid.CTImageStorage, PADDED, 12, PixelPaddingValue=4095, **placed((10, 20, 30)), **window()),
        np.where(PICTURE == 250, 0, PICTURE),
        AXIAL,
        3,
    ),
    "ct_overlay_in_unused_bits": Case(
        gray(uid.CTImageStorage, TWELVE | np.uint16(0x5000), 12, **placed((10, 20, 30)), **window()), PICTURE, AXIAL, 3
    ),
    "ct_without_window": Case(
        gray(uid.CTImageStorage, SIGNED, 16, RescaleSlope="0.5", RescaleIntercept="-1", **placed((10, 20, 30))),
        SIGNED * np.float32(0.5) - 1,
        AXIAL,
        3,
    ),
    "mr_signed_12_bit": Case(
        gray(uid.MRImageStorage, SIGNED, 12, **placed((10, 20, 30)), **window(CENTER - 2048)), PICTURE, AXIAL, 3
    ),
    "mr_rle": Case(
        compressed(
            uid.RLELossless, lambda: dataset(uid.MRImageStorage, TWELVE, 12, **placed((10, 20, 30)), **window())
        ),
        PICTURE,
        AXIAL,
        3,
    ),
    "mr_jpeg_2000": Case(
        compressed(
            uid.JPEG2000Lossless, lambda: dataset(uid.MRImageStorage, TWELVE, 12, **placed((10, 20, 30)), **window())
        ),
        PICTURE,
        AXIAL,
        3,
    ),
    "mr_jpeg_ls": Case(
        compressed(
            uid.JPEGLSLossless, lambda: dataset(uid.MRImageStorage, TWELVE, 12, **placed((10, 20, 30)), **window())
        ),
        PICTURE,
        AXIAL,
        3,
    ),
    "ct_jpeg_lossless": Case(write_lossless_jpeg, PICTURE, AXIAL, 3),
    "mr_enhanced": Case(enhanced(uid.EnhancedMRImageStorage, (0, 0, 4)), FILM, affine((10, 20, 30), (0, 0, 4)), 3),
    "ct_enhanced_from_the_top": Case(
        enhanced(uid.EnhancedCTImageStorage, (0, 0, -4)), FILM, affine((10, 20, 30), (0, 0, -4)), 3
    ),
    "us_gray": Case(
        gray(uid.UltrasoundImageStorage, PICTURE, SequenceOfUltrasoundRegions=REGION), PICTURE, REGION_AFFINE, 2
    ),
    "us_rgb": Case(gray(uid.UltrasoundImageStorage, COLORS), COLORS),
    "us_planes": Case(
        gray(
            uid.UltrasoundImageStorage,
            COLORS,
            PlanarConfiguration=1,
            PixelData=COLORS.transpose(2, 0, 1).tobytes(),
        ),
        COLORS,
    ),
    "us_ybr": Case(
        gray(uid.UltrasoundImageStorage, ybr(COLORS), PhotometricInterpretation="YBR_FULL"), COLORS, tolerance=2
    ),
    "us_ybr_422": Case(write_halved, BLOCKS, tolerance=2),
    "us_palette": Case(write_palette, COLORS),
    "us_film": Case(
        gray(uid.UltrasoundMultiFrameImageStorage, FILM, SequenceOfUltrasoundRegions=REGION), FILM, REGION_AFFINE, 2
    ),
    "us_color_film": Case(gray(uid.UltrasoundMultiFrameImageStorage, COLOR_FILM), COLOR_FILM),
    "us_film_rle": Case(
        compressed(uid.RLELossless, lambda: dataset(uid.UltrasoundMultiFrameImageStorage, COLOR_FILM)), COLOR_FILM
    ),
    "endoscopy": Case(gray(uid.VLEndoscopicImageStorage, COLORS), COLORS),
    "endoscopy_jpeg": Case(write_jpeg, COLORS, tolerance=24),
    "photograph": Case(gray(uid.VLPhotographicImageStorage, COLORS), COLORS),
}

SLICES = [np.roll(PICTURE, number * 2, axis=0) for number in range(5)]


def write_series(folder: Path, step: tuple[float, float, float] = (0, 0, 5), **elements: Any) -> list[Path]:
    """Write five axial slices, the files in another order than the slices; return them in the order of the slices."""
    folder.mkdir(parents=True, exist_ok=True)
    series, paths = uid.generate_uid(), []
    for number, picture in enumerate(SLICES):
        position = tuple(begin + number * way for begin, way in zip((10, 20, 30), step, strict=True))
        own = {**placed(position), **window(), "SeriesInstanceUID": series, "StudyInstanceUID": "1.2.840.99.2"}
        path = folder / f"{'dbeac'[number]}.dcm"
        save(dataset(uid.CTImageStorage, picture.astype("<u2") * 16, 12, **{**own, **elements}), path)
        paths.append(path)
    return paths
