"""Small studies with hot balls, and strokes on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_pet.geometry import Grid
from sam_pet.readers import Stroke
from sam_pet.study import Study

GRID = Grid((28, 24, 16), (4.0, 4.0, 3.0))


def ball(center: tuple[int, int, int], radius_mm: float, grid: Grid = GRID) -> np.ndarray:
    """Which voxels [z, y, x] lie within a radius of a voxel (x, y, z)."""
    z, y, x = np.indices(grid.shape)
    distances = [(i - c) * s for i, c, s in zip((x, y, z), center, grid.spacing, strict=True)]
    return sum(d**2 for d in distances) <= radius_mm**2


def study(*hot: tuple[np.ndarray, float], grid: Grid = GRID) -> Study:
    """Soft tissue of SUV 1 with regions of other SUVs."""
    pet = np.ones(grid.shape, np.float32)
    for region, suv in hot:
        pet[region] = suv
    return Study(pet=pet, ct=np.full(grid.shape, 40.0, np.float32), grid=grid)


def click(*voxel: int, label: str = "tumor") -> Stroke:
    return Stroke(label, np.array([voxel]), "click")


def scribble(voxels: Sequence[tuple[int, int, int]], label: str = "tumor") -> Stroke:
    return Stroke(label, np.array(voxels), "scribble")


def box(low: tuple[int, int, int], high: tuple[int, int, int]) -> Stroke:
    return Stroke("tumor", np.array([low, high]), "box")


def dice(one: np.ndarray, other: np.ndarray) -> float:
    return 2 * np.count_nonzero((one > 0) & (other > 0)) / (np.count_nonzero(one) + np.count_nonzero(other))
