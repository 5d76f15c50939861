"""A drawn body: 5 x 5 x 5 mm voxels, head at the top, lungs, a liver on the patient's right."""

from __future__ import annotations

import numpy as np

from sam_pet.geometry import Grid
from sam_pet.study import Study

SIZE = (80, 60, 160)
LIVER, BRAIN, SPOT = (28, 30, 90), (40, 30, 146), (52, 30, 50)


def ball(center: tuple[int, int, int], radius_mm: float) -> np.ndarray:
    z, y, x = np.ogrid[: SIZE[2], : SIZE[1], : SIZE[0]]
    away: np.ndarray = 25.0 * ((x - center[0]) ** 2 + (y - center[1]) ** 2 + (z - center[2]) ** 2) <= radius_mm**2
    return away


def body_study(*, brain: float = 9.0, liver: float = 2.3, with_ct: bool = True, spot: float | None = None) -> Study:
    """A body of SUV 0.6 with a brain and a liver, and a spot of 10 mm radius if `spot` gives its SUV."""
    z, y, x = np.mgrid[: SIZE[2], : SIZE[1], : SIZE[0]]
    inside = ((x - 40) / 28.0) ** 2 + ((y - 30) / 20.0) ** 2 <= 1
    pet = np.where(inside & (z >= 5), 0.6, 0.0).astype(np.float32)
    ct = np.where(inside & (z >= 5), 40.0, -1000.0).astype(np.float32)
    for side in (28, 52):
        lung = ((x - side) / 8.0) ** 2 + ((y - 30) / 10.0) ** 2 + ((z - 115) / 14.0) ** 2 <= 1
        ct[lung], pet[lung] = -800.0, 0.4
    pet[ball(LIVER, 55)] = liver
    ct[ball(LIVER, 55)] = 60.0
    pet[ball(BRAIN, 55)] = brain
    if spot is not None:
        pet[ball(SPOT, 10)] = spot
    return Study(pet, ct if with_ct else None, Grid(SIZE, (5.0, 5.0, 5.0)))
