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

_COLUMNS = {
    "patient_name": "PatientName",
    "patient_id": "PatientID",
    "birth_date": "PatientBirthDate",
    "sex": "PatientSex",
    "study_date": "StudyDate",
    "accession_number": "AccessionNumber",
}
PASSED_ON = (
    *("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "PatientAge"),
    *("PatientIdentityRemoved", "DeidentificationMethod", "StudyDate", "StudyTime", "StudyID", "StudyDescription"),
    *("AccessionNumber", "ReferringPhysicianName", "SpecificCharacterSet"),
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
    file = open_file(Path(first), also=[*_COLUMNS.values(), "SpecificCharacterSet"])
    return {column: _text(file, keyword) for column, keyword in _COLUMNS.items()}


def pass_on(file: DicomFile, target: Dataset) -> None:
    """Copy what is known of the patient byte by byte: nothing is converted, so that nothing can be quoted."""
    for keyword in PASSED_ON:
        raw = file.header.raw(keyword)
        if raw:
            element = cast(RawDataElement, file.header.elements.get_item(keyword))
            target[element.tag] = element._replace(VR=dictionary_VR(keyword), is_implicit_VR=False)


def _text(file: DicomFile, keyword: str) -> str:
    told = file.header.raw("SpecificCharacterSet").decode("latin-1").split("\\")
    encodings = [python_encoding.get(name.strip(" \0"), "latin-1") for name in told]
    return decode_bytes(file.header.raw(keyword), encodings, set()).strip(" \0")
