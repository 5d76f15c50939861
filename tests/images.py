"""Small CT and PET images, and files of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from sam_pet.geometry import Grid

GRID = Grid((12, 10, 6), (4.0, 4.0, 5.0), (-20.0, -18.0, 100.0))


def ct_array(grid: Grid = GRID) -> np.ndarray:
    """A block of soft tissue in air, int16 HU."""
    array = np.full(grid.shape, -1000, np.int16)
    _, y, x = grid.shape
    array[:, y // 4 : y - y // 4, x // 4 : x - x // 4] = 40
    return array


def pet_array(grid: Grid = GRID) -> np.ndarray:
    """A hot voxel in the middle of faint uptake, float32 SUV."""
    array = np.full(grid.shape, 0.5, np.float32)
    array[tuple(n // 2 for n in grid.shape)] = 8.0
    return array


def write(path: Path, array: np.ndarray, grid: Grid = GRID, compress: bool = False) -> Path:
    sitk.WriteImage(grid.image(array), path, useCompression=compress)
    return path
