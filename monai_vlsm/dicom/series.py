"""Which files are slices of one volume, and in which order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path

from monai_vlsm.data.limits import refuse_oversized
from monai_vlsm.data.names import natural_order
from monai_vlsm.dicom.geometry import Place, even_step
from monai_vlsm.dicom.header import DicomFile, open_file
from monai_vlsm.dicom.pixels import Layout
from monai_vlsm.errors import DataError

_NOT_IMAGES = ("DICOMDIR",)
_SAME_PLACE = 1e-3
"""Millimeters within which two slices are at one place."""
_VARIANTS = (
    *("EchoNumbers", "EchoTime", "InversionTime", "TemporalPositionIdentifier", "TriggerTime", "DiffusionBValue"),
    *("AcquisitionNumber", "ImageType"),
)
"""What may tell slices apart that lie at one place; one of them is taken before two are."""


@dataclass(frozen=True)
class Slice:
    """A file of a single frame whose place in the patient is known.

    Args:
        file, layout, place: what is known of it.
        series: identifier of its series.
        identity: its own identifier, which copies have, too.
        variants: values of ``_VARIANTS``, as they are stored.
    """

    file: DicomFile
    layout: Layout
    place: Place
    series: str
    identity: str
    variants: tuple[bytes, ...]

    def belongs_to(self, other: Slice) -> bool:
        """Tell whether two files are of one series, and of one size and direction."""
        return not _differences(self, other)


def group_series(files: Sequence[Path]) -> list[tuple[Path, ...]]:
    """Sort files into volumes and single images.

    Slices belong together by SeriesInstanceUID, size, direction and distance of pixels; they come in order along the
    direction in which slices are counted. Copies of a series in several folders are a volume each, and so is each echo,
    time or kind of image, where the header tells them apart. Files of several frames, those without a place in the
    patient (films, photographs, most radiographs and ultrasound), and those that cannot be read stand alone.

    Returns:
        Groups in natural order of their first file's name.
    """
    groups: list[list[Slice]] = []
    alone: list[tuple[Path, ...]] = []
    for path in files:
        try:
            found = _slice(path)
        except (DataError, OSError):
            found = None
        if found is None:
            alone.append((path,))
            continue
        own = next((group for group in groups if found.belongs_to(group[0])), None)
        if own is None:
            groups.append([found])
        else:
            own.append(found)
    volumes = [volume for group in groups for copy in _copies(group) for volume in _variants(copy)]
    ordered = [tuple(each.file.path for each in _by_height(volume)) for volume in volumes]
    return sorted([*ordered, *alone], key=lambda paths: natural_order(min(str(path) for path in paths)))


def series_files(given: Path | Sequence[Path]) -> list[Path]:
    """Return the files of a folder that holds a series, or those that are given."""
    if not isinstance(given, Path):
        return [Path(path) for path in given]
    if not given.is_dir():
        return [given]
    return sorted(
        path
        for path in given.iterdir()
        if path.is_file() and not path.name.startswith(".") and path.name not in _NOT_IMAGES
    )


def slices_in_order(paths: Sequence[Path]) -> list[Slice]:
    """Return the slices of one volume in order, checked against each other.

    Raises:
        DataError: naming what differs, which file has no place, or which two are at one place or too far apart.
    """
    slices = []
    for path in paths:
        found = _slice(path)
        if found is None:
            raise DataError(
                f"{path.name!r} is no slice of a series, because it has several frames or no ImagePositionPatient: "
                "give it alone"
            )
        slices.append(found)
        _refuse_another_series(found, slices[0])
    refuse_oversized((slices[0].layout.columns, slices[0].layout.rows, len(slices)))
    slices = _by_height(slices)
    _check_distances(slices)
    return slices


def _slice(path: Path) -> Slice | None:
    file = open_file(path, also=_VARIANTS)
    layout = Layout.of(file)
    if layout.frames > 1 or not file.header.raw("ImagePositionPatient"):
        return None
    if not file.header.raw("ImageOrientationPatient"):
        return None
    header = file.header
    return Slice(
        file,
        layout,
        Place.of(header, 0, ((), ())),
        series=header.text("SeriesInstanceUID"),
        identity=header.text("SOPInstanceUID") or str(path),
        variants=tuple(map(header.raw, _VARIANTS)),
    )


def _copies(group: list[Slice]) -> list[list[Slice]]:
    """Split slices of which some are there several times: by folder, and within one by how often one came before."""
    if len({each.identity for each in group}) == len(group):
        return [group]
    before: Counter[tuple[Path, str]] = Counter()
    copies: dict[tuple[Path, int], list[Slice]] = defaultdict(list)
    for each in sorted(group, key=lambda each: natural_order(each.file.path)):
        file = each.file.path.parent, each.identity
        copies[file[0], before[file]].append(each)
        before[file] += 1
    return list(copies.values())


def _variants(group: list[Slice]) -> list[list[Slice]]:
    """Split slices of which several lie at one place by what tells exactly these apart in the header.

    An element counts where it makes as many volumes as slices lie at one place, and in none two at one place; so an
    element that differs from slice to slice for another reason does not. Where there is none, nothing is guessed: the
    group stays whole, and is refused when it is read.
    """
    most = _most_at_one_place(group)
    elements = range(len(_VARIANTS))
    for taken in (*combinations(elements, 1), *combinations(elements, 2)) if most > 1 else ():
        parts: dict[tuple[bytes, ...], list[Slice]] = defaultdict(list)
        for each in group:
            parts[tuple(each.variants[element] for element in taken)].append(each)
        if len(parts) == most and all(_most_at_one_place(part) == 1 for part in parts.values()):
            return list(parts.values())
    return [group]


def _most_at_one_place(slices: Sequence[Slice]) -> int:
    heights = sorted(each.place.height for each in slices)
    most = here = 1
    for before, after in pairwise(heights):
        here = here + 1 if after - before < _SAME_PLACE else 1
        most = max(most, here)
    return most


def _by_height(slices: Sequence[Slice]) -> list[Slice]:
    return sorted(slices, key=lambda each: (each.place.height, natural_order(each.file.path.name)))


def _differences(one: Slice, other: Slice) -> list[str]:
    """Return in words in what two files differ that slices of a volume share."""
    same = {
        "SeriesInstanceUID": one.series == other.series,
        "size": (one.layout.rows, one.layout.columns) == (other.layout.rows, other.layout.columns),
        "kind of pixels": one.layout.photometric == other.layout.photometric,
        "direction or distance of pixels": one.place.is_parallel_to(other.place),
    }
    return [name for name, is_same in same.items() if not is_same]


def _refuse_another_series(one: Slice, first: Slice) -> None:
    different = _differences(one, first)
    if different:
        raise DataError(
            f"its files are no single series: {one.file.path.name!r} and {first.file.path.name!r} differ in "
            f"{', '.join(different)}. Give the files of one series, or a folder for each"
        )


def _check_distances(slices: Sequence[Slice]) -> None:
    heights = [each.place.height for each in slices]
    gaps = [after - before for before, after in pairwise(heights)]
    if gaps and min(gaps) < _SAME_PLACE:
        twice = slices[gaps.index(min(gaps)) :][:2]
        names = " and ".join(repr(each.file.path.name) for each in twice)
        raise DataError(f"{names} lie at one place (several times or echoes?): give the files of one volume")
    if gaps and even_step([each.place for each in slices]) is None:
        raise DataError(
            f"its slices are not evenly spaced ({min(gaps):.4g} to {max(gaps):.4g} mm): one is missing, or the files "
            "are not of one volume; give them one by one"
        )
