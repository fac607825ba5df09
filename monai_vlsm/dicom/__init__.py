"""DICOM in and out: images, films and series as they are shown, and segmentations of them; no torch in here."""
