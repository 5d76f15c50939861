"""By what a DICOM file is known; needs no DICOM library."""

from __future__ import annotations

from pathlib import Path

from sam_pet.errors import InputError
from sam_pet.files import image_suffix

_DICOM_START = 140


def is_dicom(path: Path) -> bool:
    """Whether a path is a folder, as of a DICOM series, or a DICOM file."""
    if not path.is_file():
        return path.is_dir()
    if image_suffix(path) is not None:
        return False
    try:
        with path.open("rb") as stream:
            start = stream.read(_DICOM_START)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    return starts_dicom(start) is not None


def starts_dicom(start: bytes) -> int | None:
    """Where the first attribute stands in the beginning of a DICOM file, whose header may be missing; None in others.

    128 bytes of anything and "DICM" come before; exports may lack the one or the other. What follows are the groups
    2 (about the file) or 8 (about the object).
    """
    if start[128:132] == b"DICM":
        return 132
    # First the beginning: further on the same bytes may come about by chance.
    for offset in (0, 128, 132):
        group, element = start[offset : offset + 2], start[offset + 2 : offset + 4]
        if group in (b"\2\0", b"\10\0") and len(element) == 2 and element[1] == 0:
            return offset
    return None
