"""Which lesion of a session is nearest to a stroke."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import distance_transform_edt

from sam_pet.boxes import MaskBox
from sam_pet.prompts import Voxels
from sam_pet.session.state import Lesions


def nearest(voxels: Voxels, lesions: Lesions, spacing: tuple[float, ...], within_mm: float) -> int | None:
    """The lesion whose mask is nearest to axial voxels (n, 3), if it is near enough.

    `spacing` is that of the axial view, (x, y, z) in mm.
    """
    distances = {number: _distance(voxels, lesion.block, spacing, within_mm) for number, lesion in lesions.items()}
    number = min(distances, key=lambda n: distances[n], default=None)
    return number if number is not None and distances[number] <= within_mm else None


def _distance(voxels: Voxels, block: MaskBox, spacing: tuple[float, ...], within_mm: float) -> float:
    """Shortest way in mm from axial voxels to a mask; infinite where it is much farther."""
    reach = np.ceil(within_mm / np.asarray(spacing)).astype(int)
    local = voxels - np.asarray(block.corner) + reach
    local = local[((local >= 0) & (local < np.array(block.values.shape[::-1]) + 2 * reach)).all(axis=1)]
    if not len(local) or not block.values.any():
        return float("inf")
    padded = np.pad(block.values, [(r, r) for r in reach[::-1]])
    away = distance_transform_edt(~padded, sampling=spacing[::-1])
    return float(away[tuple(local[:, ::-1].T)].min())
