"""Brush and eraser: a path and a radius as voxels."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt

from sam_pet.errors import InputError
from sam_pet.prompts import Voxels
from sam_pet.study import Study

Shape = Literal["disc", "ball"]
# Between two points of a path the brush is put down this often along its radius.
_STEPS_A_RADIUS = 3.0
_MOST_PLACES = 20_000


def brushed(
    study: Study,
    path: Sequence[Sequence[float]],
    radius_mm: float,
    shape: Shape = "disc",
    axis: int = 2,
    suv: tuple[float | None, float | None] = (None, None),
) -> Voxels:
    """The voxels (n, 3), as stored, within a radius of a path of (continuous) voxels.

    Args:
        study: on whose grid.
        path: points (x, y, z); they may leave the grid.
        radius_mm: of the brush; a voxel that a point lies in is always touched.
        shape: a ball, or a disc across the stored `axis` through the point's slice.
        axis: 0, 1 or 2 for x, y, z.
        suv: only voxels from the first to the second SUV; None is no limit.

    Raises:
        InputError: the path is longer than a hand draws.
    """
    points = _along(np.asarray(path, float).reshape(-1, 3), radius_mm, study)
    spacing = np.asarray(study.grid.spacing)
    reach = np.ceil(radius_mm / spacing).astype(int)
    if shape == "disc":
        reach[axis] = 0
    offsets = np.stack(np.meshgrid(*(np.arange(-r, r + 1) for r in reach), indexing="ij"), axis=-1).reshape(-1, 3)
    low = np.maximum(np.floor(points.min(axis=0)) - reach - 1, 0).astype(int)
    high = np.minimum(np.ceil(points.max(axis=0)) + reach + 2, study.grid.size).astype(int)
    if (high <= low).any():
        return np.zeros((0, 3), np.int64)
    touched = np.zeros((high - low)[::-1], bool)
    for point in points:
        centre = np.rint(point).astype(int)
        near = centre + offsets
        away = (near - point) * spacing
        if shape == "disc":
            away[:, axis] = 0.0
        close = near[(np.linalg.norm(away, axis=1) <= radius_mm) | (offsets == 0).all(axis=1)] - low
        close = close[((close >= 0) & (close < high - low)).all(axis=1)]
        touched[tuple(close.T[::-1])] = True
    x, y, z = (slice(a, b) for a, b in zip(low, high, strict=True))
    pet = study.pet[z, y, x]
    least, most = suv
    if least is not None:
        touched &= pet >= least
    if most is not None:
        touched &= pet <= most
    voxels: Voxels = np.argwhere(touched)[:, ::-1] + low
    return voxels


def _along(points: npt.NDArray[np.float64], radius_mm: float, study: Study) -> npt.NDArray[np.float64]:
    """The path with points so dense that discs about them leave no gaps."""
    spacing = np.asarray(study.grid.spacing)
    step = max(radius_mm / _STEPS_A_RADIUS, float(spacing.min()) / 2)
    parts = [points[:1]]
    total = 0
    for one, other in pairwise(points):
        count = max(1, int(np.ceil(np.linalg.norm((other - one) * spacing) / step)))
        total += count
        if total > _MOST_PLACES:
            raise InputError("brush: the path is longer than a hand draws; send it in parts")
        parts.append(one + (other - one) * (np.arange(1, count + 1) / count)[:, None])
    return np.concatenate(parts)
