"""From the raw files of each data set to cases; one module where a layout needs more than two folders."""

from collections.abc import Callable
from pathlib import Path

from monai_vlsm.data.raw import Case, RawFiles
from monai_vlsm.errors import DataError

from .brain import brain_tumors
from .breast import buid, busbra, busi, udiat
from .camus import camus
from .chexlocalize import chexlocalize
from .folders import bkai, clinicdb, colondb, cvc300, dfu, etis, eus, isic16, isic18, kvasir_seg, qata_cov19
from .medclipseg import split_folders

CONVERTERS: dict[str, Callable[[RawFiles], list[Case]]] = {
    "kvasir_seg": kvasir_seg,
    "bkai": bkai,
    "clinicdb": clinicdb,
    "isic16": isic16,
    "dfu": dfu,
    "camus": camus,
    "busi": busi,
    "chexlocalize": chexlocalize,
    "btmri": brain_tumors,
    "qata_cov19": qata_cov19,
    "eus": eus,
    "isic18": isic18,
    "udiat": udiat,
    "colondb": colondb,
    "cvc300": cvc300,
    "etis": etis,
    "busbra": busbra,
    "buid": buid,
}
"""By data set; every other set, and every set in that form, is read by :func:`split_folders`."""


def find_cases(name: str, files: RawFiles) -> list[Case]:
    """Return the cases of data set ``name`` in its raw files; none if the files are not what its converter knows.

    Raises:
        DataError: if two files have one name, so that it is not clear which mask belongs to which image.
    """
    cases = split_folders(name, files) or CONVERTERS.get(name, lambda files: [])(files)
    _require_distinct(cases)
    return cases


def _require_distinct(cases: list[Case]) -> None:
    """Refuse two masks, or two images, of one name: one would end up with the other's."""
    keys: dict[str, Case] = {}
    images: dict[str, object] = {}
    for case in cases:
        source = case.image_source if isinstance(case.image_source, Path) else case.image
        if keys.setdefault(case.key, case) is not case or images.setdefault(case.image, source) != source:
            raise DataError(
                f"two different files of the source would become {case.image!r}, as {str(source)!r} does: give the "
                "folders with one copy of the data set."
            )


__all__ = ["CONVERTERS", "find_cases"]
