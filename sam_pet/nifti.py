"""What ITK passes over in a NIfTI file: it leaves a missing end as it finds the memory, and turns NaN into 0."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from sam_pet.errors import InputError

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 22
# Bytes of a value by NIfTI's datatype codes for floats.
_FLOATS = {"16": 4, "64": 8}


def require_sound(path: Path, image: sitk.Image, what: str) -> None:
    """Check a NIfTI file against the image that ITK has read from it.

    Raises:
        InputError: the file is cut short, or has NaN or infinite voxels.
    """
    start = int(float(image.GetMetaData("vox_offset")))
    wanted = start + int(image.GetMetaData("bitpix")) * image.GetNumberOfPixels() // 8
    width = _FLOATS.get(image.GetMetaData("datatype"))
    # Without a 0 there was no NaN, and the file need not be read again.
    if width is not None and not sitk.GetArrayViewFromImage(image).all():
        whole, bad = _read_again(path, start, wanted, width)
    else:
        whole, bad = _looks_whole(path, wanted) or _read_again(path, start, wanted)[0], 0
    if not whole:
        raise InputError(f"{what}: {path} is cut short: {wanted} bytes of image belong in it; copy it again")
    if bad:
        raise InputError(f"{what}: {path} has NaN or infinite voxels, {bad} of them; export it again or replace them")


def _looks_whole(path: Path, wanted: int) -> bool:
    """Whether the file, or the trailer of its gzip, has the right size."""
    with path.open("rb") as stream:
        if stream.read(2) != _GZIP:
            return path.stat().st_size >= wanted
        stream.seek(-4, os.SEEK_END)
        return int.from_bytes(stream.read(4), "little") == wanted % (1 << 32)


def _read_again(path: Path, start: int, wanted: int, width: int | None = None) -> tuple[bool, int]:
    """Whether the file has `wanted` bytes when unpacked, and how many of its floats from `start` on are not finite."""
    bad = 0
    try:
        with path.open("rb") as stream:
            packed = stream.read(2) == _GZIP
        with gzip.open(path) if packed else path.open("rb") as content:
            header = content.read(start)
            found = len(header)
            order = "<" if int.from_bytes(header[:4], "little") in (348, 540) else ">"
            while chunk := content.read(min(_CHUNK, wanted - found)):
                found += len(chunk)
                if width is not None:
                    values = np.frombuffer(chunk, f"{order}f{width}", count=len(chunk) // width)
                    bad += int(np.count_nonzero(~np.isfinite(values)))
    except (EOFError, OSError, zlib.error):
        return False, bad
    return found >= wanted, bad
