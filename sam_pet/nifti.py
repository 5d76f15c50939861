"""NIfTI files, read here and not by ITK.

That looks at no checksum, turns NaN into 0, takes spacing from one part of the header and directions from another, and
refuses axes that rounding has bent by a thousandth of a degree.
"""

from __future__ import annotations

import gzip
import logging
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet.sanity import (
    UnsoundError,
    cut_short,
    damaged,
    perpendicular,
    require_no_more,
    require_one_volume,
    require_room_for,
    require_size,
    require_spacing,
)

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]

_GZIP = b"\x1f\x8b"
# So much is unpacked at a time: it stays in the processor's cache until it is where it belongs.
_CHUNK, _EXTENSION = 1 << 18, 4
_FIRST = {
    "dim": (40, "8i2"),
    "datatype": (70, "i2"),
    "bitpix": (72, "i2"),
    "pixdim": (76, "8f4"),
    "vox_offset": (108, "f4"),
    "scl_slope": (112, "f4"),
    "scl_inter": (116, "f4"),
    "xyzt_units": (123, "u1"),
    "qform_code": (252, "i2"),
    "sform_code": (254, "i2"),
    "quatern": (256, "6f4"),
    "srow": (280, "(3,4)f4"),
}
_SECOND = {
    "datatype": (12, "i2"),
    "bitpix": (14, "i2"),
    "dim": (16, "8i8"),
    "pixdim": (104, "8f8"),
    "vox_offset": (168, "i8"),
    "scl_slope": (176, "f8"),
    "scl_inter": (184, "f8"),
    "qform_code": (344, "i4"),
    "sform_code": (348, "i4"),
    "quatern": (352, "6f8"),
    "srow": (400, "(3,4)f8"),
    "xyzt_units": (500, "i4"),
}
# By the size of the header: its fields, where its magic stands, and what that is.
_FORMS: dict[int, tuple[dict[str, tuple[int, str]], int, bytes]] = {
    348: (_FIRST, 344, b"n+1\0"),
    540: (_SECOND, 4, b"n+2\0"),
}
_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
_VALUES = {32: 2, 128: 3, 1792: 2, 2304: 4}
_MM = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
_TO_LPS = np.diag([-1.0, -1.0, 1.0])
_SCANNER = 1
# Relative, between the spacings of pixdim and of the affine; single precision is good to 1e-7.
_SAME = 1e-3
# Of a voxel, between two positions of one.
_NEAR = 0.25


def read_nifti(path: Path, what: str) -> sitk.Image:
    """The 3-D image in a NIfTI file, `.nii` or `.nii.gz`, of version 1 or 2.

    Where the header has two positions of the voxels that differ, the sform counts, but a qform in the scanner's own
    coordinates goes before an sform in others; the log says so.

    Raises:
        UnsoundError: what is wrong with the file, its header, or its voxels.
    """
    with _unpacked(path) as (stream, packed):
        header = _header(stream)
        kind = int(header["datatype"])
        size, values = _size(header)
        require_size(size)
        require_one_volume(size, values * _VALUES.get(kind, 1))
        if kind not in _TYPES:
            raise UnsoundError(f"has voxels of type {kind} in its header (datatype); export it as integers or floats")
        dtype = np.dtype(_TYPES[kind]).newbyteorder("<" if header["little"] else ">")
        place = _place(header, size, f"{what}: {path}")
        if header["bitpix"] not in (0, 8 * dtype.itemsize):
            raise UnsoundError(
                f"has voxels of type {kind} and of {header['bitpix']} bits in its header, which differ; export it again"
            )
        # Four bytes that tell of extensions always come between.
        start = max(int(_finite(header, "vox_offset")), int(header["sizeof_hdr"]) + _EXTENSION)
        count = int(np.prod(size))
        wanted = start + count * dtype.itemsize
        if packed is None:
            if path.stat().st_size < wanted:
                raise cut_short(wanted)
            require_no_more(path.stat().st_size - start, wanted - start, size)
        else:
            require_room_for(wanted, packed)
        array = _voxels(stream, start - int(header["sizeof_hdr"]), count, dtype, wanted)
        require_no_more(_drain(stream, wanted) + count * dtype.itemsize, count * dtype.itemsize, size)
    image = sitk.GetImageFromArray(_scaled(array, header).reshape(size[::-1]))
    image.SetSpacing(place.spacing)
    image.SetOrigin(place.origin)
    image.SetDirection(place.columns.ravel().tolist())
    return image


def require_sound_nifti_header(path: Path) -> None:
    """Raise an UnsoundError if a NIfTI header claims a size that is never read, or is none."""
    with _unpacked(path) as (stream, _):
        size, _ = _size(_header(stream))
        require_size(size)


@contextmanager
def _unpacked(path: Path) -> Iterator[tuple[IO[bytes], int | None]]:
    """The content of a file, and its size where it is compressed."""
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        if not packed:
            yield raw, None
            return
        try:
            yield cast(IO[bytes], gzip.GzipFile(fileobj=raw)), path.stat().st_size
        except EOFError:
            raise UnsoundError("is cut short: its compressed data do not end; check that it is complete") from None
        except (gzip.BadGzipFile, zlib.error):
            raise damaged() from None


def _header(stream: IO[bytes]) -> dict[str, Any]:
    start = stream.read(4)
    for order in ("little", "big"):
        length = int.from_bytes(start, cast(Any, order))
        if length in _FORMS:
            break
    else:
        raise UnsoundError("cannot be read as an image: it is no NIfTI file; check that it is complete")
    fields, place, magic = _FORMS[length]
    content = start + stream.read(length - 4)
    if len(content) < length:
        raise UnsoundError("is cut short: its header is not whole; check that it is complete, copy it again")
    if content[place : place + 4] != magic:
        raise UnsoundError("is no NIfTI file of one part (its magic is not n+1 or n+2); convert it to .nii.gz")
    sign = "<" if order == "little" else ">"
    layout = np.dtype(
        {
            "names": list(fields),
            "formats": [kind.replace("f", f"{sign}f").replace("i", f"{sign}i") for _, kind in fields.values()],
            "offsets": [offset for offset, _ in fields.values()],
            "itemsize": length,
        }
    )
    record = np.frombuffer(content, layout)[0]
    return {**{name: record[name] for name in fields}, "sizeof_hdr": length, "little": order == "little"}


def _size(header: dict[str, Any]) -> tuple[tuple[int, ...], int]:
    """The size, without trailing dimensions of one, and the values of a voxel: the fifth dimension."""
    dim = [int(n) for n in header["dim"]]
    if not 1 <= dim[0] <= 7:
        raise UnsoundError(f"has {dim[0]} dimensions in its header (dim[0]); export a single 3-D series")
    size, values = dim[1 : min(dim[0], 4) + 1], dim[5 : dim[0] + 1]
    while len(size) > 3 and size[-1] == 1:
        size.pop()
    return tuple(size), int(np.prod(values))


def _finite(header: dict[str, Any], key: str) -> float:
    value = float(header[key])
    if not 0 <= value < 2**40:
        raise UnsoundError(f"has no usable {key} in its header; export it again")
    return value


def _voxels(stream: IO[bytes], skipped: int, count: int, dtype: np.dtype[Any], wanted: int) -> npt.NDArray[Any]:
    while skipped > 0:
        passed = stream.read(min(skipped, _CHUNK))
        if not passed:
            raise cut_short(wanted)
        skipped -= len(passed)
    array = np.empty(count, dtype)
    view = array.view(np.uint8).data
    filled = 0
    while filled < len(view):
        more = stream.readinto(view[filled : filled + _CHUNK])  # type: ignore[attr-defined]
        if not more:
            raise cut_short(wanted)
        filled += more
    if not array.dtype.isnative:
        array = array.byteswap(inplace=True).view(array.dtype.newbyteorder("="))
    if array.dtype.kind == "f":
        bad = sum(int(np.count_nonzero(~np.isfinite(part))) for part in np.array_split(array, count // _CHUNK + 1))
        if bad:
            raise UnsoundError(f"has NaN or infinite voxels, {bad} of them; export it again or replace them")
    return array


def _drain(stream: IO[bytes], wanted: int) -> int:
    """Read on to the end, where the checksum of compressed data stands; how much there was."""
    found = 0
    while found < wanted + _CHUNK and (more := stream.read(_CHUNK)):
        found += len(more)
    return found


def _scaled(array: npt.NDArray[Any], header: dict[str, Any]) -> npt.NDArray[Any]:
    slope, offset = float(header["scl_slope"]), float(header["scl_inter"])
    # By the standard a slope of 0 means that there is none; NaN is written for the same.
    if slope == 0 or np.isnan(slope) or (slope, offset) == (1.0, 0.0):
        return array
    if np.isinf(slope):
        raise UnsoundError("has no usable scl_slope in its header; export it again")
    if not np.isfinite(offset):
        raise UnsoundError("has no usable scl_inter in its header; export it again")
    if array.dtype != np.float64:
        array = array.astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        array *= slope
        array += offset
    if not np.isfinite(array).all():
        raise UnsoundError("has voxels beyond all numbers once it is scaled (scl_slope); export it again")
    return array


@dataclass(frozen=True)
class _Place:
    """Spacing and origin in mm, and directions as columns (3, 3): LPS."""

    spacing: tuple[float, float, float]
    origin: tuple[float, float, float]
    columns: Floats

    @classmethod
    def of(cls, affine: Floats, scale: float, size: tuple[int, ...]) -> _Place:
        """That of an affine (3, 4) in RAS."""
        if not np.isfinite(affine).all() or not np.linalg.norm(affine[:, :3], axis=0).all():
            raise UnsoundError("has an sform or qform in its header that gives no positions; export it again")
        lengths = np.linalg.norm(affine[:, :3], axis=0)
        spacing = tuple((scale * lengths).tolist())
        require_spacing(spacing, size)
        columns = perpendicular(_TO_LPS @ affine[:, :3] / lengths, spacing, size)
        x, y, z = (scale * (_TO_LPS @ affine[:, 3])).tolist()
        return cls(spacing, (x, y, z), columns)

    def apart(self, other: _Place, size: tuple[int, ...]) -> float:
        """How far two places have one corner apart, in voxels."""
        corners = np.array(list(np.ndindex(2, 2, 2))) * (np.asarray(size) - 1)
        here, there = (corners * p.spacing @ p.columns.T + p.origin for p in (self, other))
        return float(np.linalg.norm(here - there, axis=1).max() / min(self.spacing))


def _place(header: dict[str, Any], size: tuple[int, ...], where: str) -> _Place:
    unit = int(header["xyzt_units"]) & 7
    if unit not in _MM:
        raise UnsoundError(f"is in no known unit by its header (xyzt_units {unit}); export it in mm")
    scale = _MM[unit]
    steps = np.asarray(header["pixdim"], np.float64)[1:4]
    positive = bool((np.isfinite(steps) & (steps > 0)).all())
    srow = np.asarray(header["srow"], np.float64)
    sform = _Place.of(srow, scale, size) if header["sform_code"] > 0 else None
    if sform is None:
        if not positive:
            shown = " x ".join(f"{s:g}" for s in steps)
            raise UnsoundError(f"has a spacing of {shown} in its header (pixdim) and no sform; correct the header")
        if header["qform_code"] > 0:
            return _Place.of(_qform(header, steps), scale, size)
        spacing = tuple((scale * steps).tolist())
        require_spacing(spacing, size)
        logger.warning("%s does not say in its header where it lies in the patient (no sform, no qform)", where)
        return _Place(spacing, (0.0, 0.0, 0.0), np.eye(3))

    # Zero is written for nothing, and a sign for a direction.
    given = np.isfinite(steps) & (steps != 0)
    if (np.abs(scale * np.abs(steps) / sform.spacing - 1)[given] > _SAME).any():
        told = [" x ".join(f"{s:.4g}" for s in spacing) for spacing in (scale * steps, sform.spacing)]
        raise UnsoundError(
            f"has two spacings in its header, {told[0]} mm (pixdim) and {told[1]} mm (sform); "
            "correct the one that is wrong"
        )
    if positive and header["qform_code"] > 0:
        qform = _Place.of(_qform(header, steps), scale, size)
        if sform.apart(qform, size) > _NEAR:
            scanner = header["qform_code"] == _SCANNER != header["sform_code"]
            logger.warning(
                "%s has two positions in its header, by its sform and by its qform; the %s counts",
                *(where, "qform, which is the scanner's," if scanner else "sform"),
            )
            return qform if scanner else sform
    return sform


def _qform(header: dict[str, Any], steps: Floats) -> Floats:
    """The affine (3, 4), RAS, of the header's quaternion."""
    b, c, d, *offset = np.asarray(header["quatern"], np.float64)
    rest = 1.0 - (b * b + c * c + d * d)
    if not rest > -1e-3:
        raise UnsoundError("has a qform in its header that is no rotation; export it again")
    a = np.sqrt(max(rest, 0.0))
    if a < 1e-4:
        a, (b, c, d) = 0.0, np.array([b, c, d]) / np.linalg.norm([b, c, d])
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    flip = -1.0 if header["pixdim"][0] < 0 else 1.0
    return np.column_stack([rotation * steps * [1.0, 1.0, flip], offset])
