"""Whose image a file is: read only where somebody asked for it, or passed on unread into a segmentation of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

from pydicom import Dataset
from pydicom.charset import decode_bytes, python_encoding
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement

from monai_vlsm.dicom.header import DicomFile, open_file

_CHARSET = "SpecificCharacterSet"
"""The only element that pydicom converts by itself."""
_COLUMNS = {
    "patient_name": "PatientName",
    "patient_id": "PatientID",
    "birth_date": "PatientBirthDate",
    "sex": "PatientSex",
    "study_date": "StudyDate",
    "accession_number": "AccessionNumber",
}
COLUMNS = tuple(_COLUMNS)
"""Of :func:`patient_of`."""
PASSED_ON = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "StudyDate", "StudyTime", "StudyID", "StudyDescription"),
    *("AccessionNumber", "ReferringPhysicianName"),
)
"""What a segmentation takes over from its image."""


def patient_of(files: Path | Sequence[Path]) -> dict[str, str]:
    """Return name, ID, birth date and sex of a patient, study date and accession number, as text; empty if not told.

    Args:
        files: of one image; the first is read.

    Raises:
        DataError: if it is no DICOM file.
    """
    first = files if isinstance(files, Path) else files[0]
    file = open_file(Path(first), also=list(_COLUMNS.values()))
    return {column: _text(file, keyword) for column, keyword in _COLUMNS.items()}


def pass_on(file: DicomFile, target: Dataset) -> None:
    """Copy what is known of the patient byte by byte: nothing is converted, so that nothing can be quoted."""
    if _CHARSET in file.header.elements:
        target.SpecificCharacterSet = file.header.elements.SpecificCharacterSet
    for keyword in PASSED_ON:
        if file.header.raw(keyword):
            element = cast(RawDataElement, file.header.elements.get_item(keyword))
            target[element.tag] = element._replace(VR=dictionary_VR(keyword), is_implicit_VR=False)


def _text(file: DicomFile, keyword: str) -> str:
    told = file.header.elements.get(_CHARSET) or ""
    encodings = [python_encoding.get(str(name), "latin-1") for name in ([told] if isinstance(told, str) else told)]
    return decode_bytes(file.header.raw(keyword), encodings, set()).strip(" \0")
