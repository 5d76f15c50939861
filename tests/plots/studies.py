"""A patient of a few voxels whose every side is known."""

from __future__ import annotations

import numpy as np

from sam_pet.geometry import Grid
from sam_pet.study import Study

# x to the patient's left, y to the back, z to the head; anisotropic.
UPRIGHT = Grid((10, 8, 12), (4.0, 3.0, 5.0))
# The same patient stored with x to the right, y to the front and z to the feet.
TURNED = Grid((10, 8, 12), (4.0, 3.0, 5.0), (36.0, 21.0, 55.0), (-1.0, 0, 0, 0, -1.0, 0, 0, 0, -1.0))
# And with the stored axes (z, x, y).
SWAPPED = Grid((12, 10, 8), (5.0, 4.0, 3.0), (0.0, 0.0, 0.0), (0, 1.0, 0, 0, 0, 1.0, 1.0, 0, 0))

# Upright voxels (x, y, z) and their SUVs: left, front and head are the larger numbers of x, the smaller of y, the
# larger of z.
LEFT_FRONT_HEAD, RIGHT_BACK_FEET = (8, 1, 10), (2, 6, 3)
HOT = {LEFT_FRONT_HEAD: 9.0, RIGHT_BACK_FEET: 5.0}


def study_on(grid: Grid, ct: bool = False) -> Study:
    """The patient on any of the grids."""
    pet = np.full(UPRIGHT.shape, 1.0, np.float32)
    for (x, y, z), suv in HOT.items():
        pet[z, y, x] = suv
    pet = stored(pet, grid)
    return Study(pet, np.where(pet > 2, 60, 20).astype(np.float32) if ct else None, grid)


def stored(upright: np.ndarray, grid: Grid) -> np.ndarray:
    """An upright array [z, y, x] as it is stored on a grid."""
    if grid is TURNED:
        return np.ascontiguousarray(upright[::-1, ::-1, ::-1])
    if grid is SWAPPED:
        return np.ascontiguousarray(upright.transpose(1, 2, 0))
    return upright


def labels_on(grid: Grid) -> np.ndarray:
    """Lesion 1 at the left, in front, near the head (2 x 1 x 1 voxels), lesion 2 opposite it."""
    labels = np.zeros(UPRIGHT.shape, np.uint16)
    x, y, z = LEFT_FRONT_HEAD
    labels[z, y, x - 1 : x + 1] = 1
    x, y, z = RIGHT_BACK_FEET
    labels[z, y, x] = 2
    return stored(labels, grid)
