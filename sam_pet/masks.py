"""Masks and label maps as files, and two of them on one grid."""

from __future__ import annotations

import os
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet.errors import InputError
from sam_pet.files import read_image
from sam_pet.geometry import Grid

# A float that is meant to be a whole number is this near to one.
_ROUNDING = 1e-4
# Of a voxel: headers of one grid that have gone through several programs agree to this.
_SAME_PLACE = 0.1


def read_mask(path: str | os.PathLike[str], what: str) -> tuple[npt.NDArray[np.uint8], Grid]:
    """A mask as uint8 array [z, y, x] of 0 and 1, and its grid.

    Raises:
        InputError: see `read_image`; also when the file holds other values than 0 and 1.

    Examples:
        >>> import numpy as np
        >>> from sam_pet import Grid
        >>> from sam_pet.files import write_image
        >>> from sam_pet.masks import read_mask
        >>> write_image(Grid((30, 40, 20)).image(np.ones((20, 40, 30), np.uint8)), "mask.nii.gz")
        >>> mask, grid = read_mask("mask.nii.gz", "mask")
        >>> int(mask.sum()), grid.size
        (24000, (30, 40, 20))
    """
    image = read_image(path, what)
    values = _whole(sitk.GetArrayViewFromImage(image))
    mask: npt.NDArray[np.uint8] = (values == 1).astype(np.uint8)
    others = values[(values != 0) & (mask == 0)]
    if others.size:
        found = ", ".join(map(_digits, np.unique(others[:1000])[:3]))
        raise InputError(
            f"{what}: {path} is not a binary mask: {others.size} voxels hold other values than 0 and 1 "
            f"(such as {found}); write lesions as 1 and all else as 0"
        )
    return mask, Grid.of(image)


def read_labels(path: str | os.PathLike[str], what: str) -> tuple[npt.NDArray[np.uint16], Grid]:
    """Lesion numbers [z, y, x] of a label map, and its grid.

    In a mask of 0 and 1 each component (18 neighbours) becomes a lesion, numbered in the order in which they are
    stored; a label map keeps its numbers.

    Raises:
        InputError: see `read_image`; also for other values than 0, 1, ... 65535, or more components than that.

    Examples:
        >>> import numpy as np
        >>> from sam_pet import Grid
        >>> from sam_pet.files import write_image
        >>> from sam_pet.masks import read_labels
        >>> mask = np.zeros((20, 40, 30), np.uint8)
        >>> mask[2, 2, 2] = mask[9, 9, 9] = 1
        >>> write_image(Grid((30, 40, 20)).image(mask), "mask.nii.gz")
        >>> int(read_labels("mask.nii.gz", "mask")[0].max())
        2
    """
    image = read_image(path, what)
    values = _whole(sitk.GetArrayViewFromImage(image))
    with np.errstate(invalid="ignore"):
        labels = values.astype(np.uint16)
    others = values[values != labels]
    if others.size:
        raise InputError(
            f"{what}: {path} is no mask or label map: {others.size} voxels hold other values than 0, 1, ... 65535 "
            f"(such as {_digits(others[0])}); write a number for each lesion and 0 for all else"
        )
    if labels.max(initial=0) == 1:
        components, count = cc3d.connected_components(labels, connectivity=18, return_N=True)
        if count > np.iinfo(np.uint16).max:
            raise InputError(f"{what}: {path} has {count} components; check that it is a mask")
        labels = components.astype(np.uint16)
    return labels, Grid.of(image)


def _whole(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The values, those that rounding errors part from whole numbers as these."""
    if values.dtype.kind != "f":
        return values
    with np.errstate(invalid="ignore"):
        whole = np.rint(values)
        return np.where(np.abs(whole - values) <= _ROUNDING, whole, values)


def _digits(value: Any) -> str:
    """A number with all the digits that tell it from its neighbours."""
    return str(value.item()).removesuffix(".0")


def require_same_grid(grid: Grid, other: Grid, what: str, other_what: str) -> None:
    """Raise an InputError that says how two grids differ, if they do.

    Examples:
        >>> from sam_pet import Grid
        >>> from sam_pet.masks import require_same_grid
        >>> require_same_grid(Grid((4, 4, 4)), Grid((4, 4, 5)), "mask", "PET")
        Traceback (most recent call last):
            ...
        sam_pet.errors.InputError: mask and PET are on different grids (4 x 4 x 4 against 4 x 4 x 5 voxels); ...
    """
    if grid.same_as(other, _SAME_PLACE):
        return
    sizes = [" x ".join(map(str, g.size)) for g in (grid, other)]
    difference = (
        f"{sizes[0]} against {sizes[1]} voxels"
        if grid.size != other.size
        else "equal sizes, but other spacing, origin or direction"
    )
    raise InputError(f"{what} and {other_what} are on different grids ({difference}); resample one to the other's grid")
