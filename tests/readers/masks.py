"""Small masks from lists of voxels."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Voxel = tuple[int, int, int]


def mask(*voxels: Voxel, size: Voxel = (24, 24, 3)) -> npt.NDArray[np.uint8]:
    """An array [z, y, x] of a size (x, y, z) with 1 at voxels (x, y, z)."""
    array = np.zeros(size[::-1], np.uint8)
    for x, y, z in voxels:
        array[z, y, x] = 1
    return array


def block(xs: Iterable[int], ys: Iterable[int], z: int = 1) -> list[Voxel]:
    ys = list(ys)
    return [(x, y, z) for x in xs for y in ys]
