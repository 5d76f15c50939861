"""What an image file may claim of itself before it is believed: its size, its spacing, its directions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

# A CT of 512 x 512 x 2048 voxels; the largest PET has less than half of that.
MOST_VOXELS = 2**29
SPACING_MM = (0.05, 50.0)
MOST_MM = 5000.0
# Below it the windows in which lesions are segmented take gigabytes; no PET is as fine.
FINEST_PET_MM = 0.3
# What deflate can do at most, by its format; a little is added for headers.
_MOST_DEFLATE = 1032
_HEADERS = 4096
# Of a voxel: no corner of the volume may move farther when its axes are made perpendicular.
_MOST_SHIFT = 0.25


class UnsoundError(ValueError):
    """What is wrong with an image file, in words that follow its name."""


def require_size(size: Sequence[int], kind: str = "voxels") -> None:
    """Raise an UnsoundError if an image cannot have this size, or has more voxels than are ever read."""
    shown = " x ".join(map(str, size))
    if any(n < 1 for n in size):
        raise UnsoundError(f"has a size of {shown} {kind} in its header; export it again")
    if math.prod(size) > MOST_VOXELS:
        raise UnsoundError(
            f"has a size of {shown} {kind} in its header, more than the {MOST_VOXELS} that are read; "
            "check the header, or cut or resample the image"
        )


def require_room_for(wanted: int, packed: int) -> None:
    """Raise an UnsoundError if so many bytes cannot come out of a compressed file of `packed` bytes."""
    if wanted > packed * _MOST_DEFLATE + _HEADERS:
        raise cut_short(wanted)


def cut_short(wanted: int) -> UnsoundError:
    return UnsoundError(f"is cut short: {wanted} bytes of image belong in it; check that it is complete, copy it again")


def require_no_more(found: int, wanted: int, size: Sequence[int]) -> None:
    """Raise an UnsoundError if a file holds a slice or more beyond the `wanted` bytes that its header tells of.

    A few bytes more are what some writers and disks fill up with.
    """
    if found - wanted >= wanted // size[-1]:
        raise UnsoundError(
            f"holds {found} bytes of image where its header tells of {wanted}: its size or its type of voxel is wrong; "
            "export it again"
        )


def damaged() -> UnsoundError:
    return UnsoundError("is damaged: its compressed data do not fit their checksum; copy it again")


def require_one_volume(size: Sequence[int], values: int) -> None:
    """Raise an UnsoundError if an image is not 3-D with one value a voxel."""
    if len(size) != 3 or values != 1:
        raise UnsoundError(
            f"is not one 3-D volume ({' x '.join(map(str, size))}, {values} values a voxel); export a single 3-D series"
        )


def require_spacing(spacing: Sequence[float], size: Sequence[int], finest: float = SPACING_MM[0]) -> None:
    """Raise an UnsoundError if no scanner has this spacing (mm), or the field of view that it makes."""
    shown = " x ".join(f"{s:g}" for s in spacing)
    if not all(finest <= s <= SPACING_MM[1] for s in spacing):
        raise UnsoundError(
            f"has voxels of {shown} mm in its header, not within {finest:g} to {SPACING_MM[1]:g} mm; "
            "check the spacing and its unit in the header"
        )
    if any(s * n > MOST_MM for s, n in zip(spacing, size, strict=True)):
        raise UnsoundError(
            f"is {' x '.join(f'{s * n:.0f}' for s, n in zip(spacing, size, strict=True))} mm large by its header; "
            "check the spacing and its unit in the header"
        )


def perpendicular(
    columns: npt.NDArray[np.float64], spacing: Sequence[float], size: Sequence[int]
) -> npt.NDArray[np.float64]:
    """The nearest perpendicular directions, as columns (3, 3), of axes that rounding has bent.

    Raises:
        UnsoundError: they are not directions, or some voxel would move by a noticeable part of its size.
    """
    if not np.isfinite(columns).all():
        raise UnsoundError("has directions of its axes that are no numbers in its header; export it again")
    lengths = np.linalg.norm(columns, axis=0)
    if np.abs(lengths - 1).max() > 0.01 and lengths.min() > 0:
        raise UnsoundError(
            "has directions of its axes in its header that are not of length 1: it is stretched or sheared by them; "
            "resample it to a grid of perpendicular axes"
        )
    if abs(np.linalg.det(columns / np.maximum(lengths, 1e-9))) < 1e-3:
        raise UnsoundError("has directions of its axes in its header that do not span space; export it again")
    left, _, right = np.linalg.svd(columns)
    nearest: npt.NDArray[np.float64] = left @ right
    # From the middle of the volume, about which it is turned.
    reach = np.asarray(spacing) * (np.asarray(size) - 1) / 2
    corners = np.array(list(np.ndindex(2, 2, 2))) * 2 - 1
    moved = np.linalg.norm((corners * reach) @ (columns - nearest).T, axis=1).max()
    if moved > _MOST_SHIFT * min(spacing):
        cosines = np.abs((columns / lengths).T @ (columns / lengths) - np.eye(3)).max()
        raise UnsoundError(
            f"is sheared by its header: its axes are {math.degrees(math.asin(min(cosines, 1.0))):.2f} degrees off "
            "a right angle (as with a tilted gantry); resample it to a grid of perpendicular axes"
        )
    return nearest


def require_sound_geometry(image: sitk.Image) -> None:
    """Check spacing and directions of a 3-D image, and make its directions perpendicular where rounding has bent them.

    Raises:
        UnsoundError: see `require_spacing` and `perpendicular`.
    """
    size, spacing = image.GetSize(), image.GetSpacing()
    require_spacing(spacing, size)
    if not np.isfinite(image.GetOrigin()).all() or np.abs(image.GetOrigin()).max() > 1e6:
        raise UnsoundError("has an origin in its header that no scanner has; check the header")
    columns = np.asarray(image.GetDirection()).reshape(3, 3)
    nearest = perpendicular(columns, spacing, size)
    if np.abs(nearest - columns).max() > 1e-12:
        image.SetDirection(nearest.ravel().tolist())
