"""PET and CT as bytes: raw arrays, or NIfTI files."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sam_pet.app.problems import NotThereError
from sam_pet.geometry import Grid
from sam_pet.study import Study

Kind = Literal["pet", "ct"]
Form = Literal["raw", "nifti"]
Number = Literal["float32", "int16"]

_LARGEST = 32767
_HEADER_BYTES = 352
_FLOAT, _INT = 16, 4
_MM = 2
_SCANNER = 1


def volume_of(study: Study, kind: Kind, form: Form, number: Number) -> tuple[bytes, memoryview, float]:
    """What comes before the voxels, the voxels (x fastest, little-endian), and what they are multiplied by.

    Raises:
        NotThereError: the study has no CT.
    """
    volume = study.pet if kind == "pet" else study.ct
    if volume is None:
        raise NotThereError("this study has no CT")
    slope = 1.0
    if number == "int16":
        if kind == "pet":
            slope = max(float(volume.max()), -float(volume.min()), 1e-6) / _LARGEST
        stored: npt.NDArray[Any] = np.empty(volume.shape, "<i2")
        # A slice at a time stays in the processor's cache.
        for target, plane in zip(stored, volume, strict=True):
            target[...] = np.clip(np.rint(plane / np.float32(slope)), -_LARGEST - 1, _LARGEST)
    else:
        stored = np.ascontiguousarray(volume, "<f4")
    head = _header(study.grid, number, slope) if form == "nifti" else b""
    return head, stored.data.cast("B"), slope


def _header(grid: Grid, number: Number, slope: float) -> bytes:
    """The header of a NIfTI-1 file, whose affine leads to RAS."""
    fields = np.zeros((), _NIFTI)
    fields["sizeof_hdr"] = 348
    fields["dim"] = [3, *grid.size, 1, 1, 1, 1]
    fields["datatype"], fields["bitpix"] = (_INT, 16) if number == "int16" else (_FLOAT, 32)
    fields["pixdim"] = [1, *grid.spacing, 0, 0, 0, 0]
    fields["vox_offset"] = _HEADER_BYTES
    fields["scl_slope"] = slope
    fields["xyzt_units"] = _MM
    fields["sform_code"] = _SCANNER
    matrix = np.asarray(grid.direction).reshape(3, 3) * np.asarray(grid.spacing)
    affine = np.diag([-1.0, -1.0, 1.0]) @ np.column_stack([matrix, grid.origin])
    fields["srow"] = affine
    fields["magic"] = b"n+1\0"
    return fields.tobytes() + bytes(4)


_NIFTI = np.dtype(
    [
        ("sizeof_hdr", "<i4"),
        ("unused", "V35"),
        ("dim_info", "u1"),
        ("dim", "<i2", 8),
        ("intent", "<f4", 3),
        ("intent_code", "<i2"),
        ("datatype", "<i2"),
        ("bitpix", "<i2"),
        ("slice_start", "<i2"),
        ("pixdim", "<f4", 8),
        ("vox_offset", "<f4"),
        ("scl_slope", "<f4"),
        ("scl_inter", "<f4"),
        ("slice_end", "<i2"),
        ("slice_code", "u1"),
        ("xyzt_units", "u1"),
        ("cal", "<f4", 2),
        ("timing", "<f4", 2),
        ("gl", "<i4", 2),
        ("texts", "V104"),
        ("qform_code", "<i2"),
        ("sform_code", "<i2"),
        ("quatern", "<f4", 6),
        ("srow", "<f4", (3, 4)),
        ("intent_name", "V16"),
        ("magic", "V4"),
    ]
)
