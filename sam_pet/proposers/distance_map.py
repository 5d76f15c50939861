"""Distance maps of strokes, as networks get them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt


def distance_map(
    strokes: npt.NDArray[np.bool_], reach: float, spacing: tuple[float, ...] | None = None
) -> npt.NDArray[np.float32]:
    """1 on strokes, falling to 0 `reach` off, in the unit of `spacing` (in the array's order) or else in voxels."""
    if not strokes.any():
        return np.zeros(strokes.shape, np.float32)
    away = distance_transform_edt(~strokes, sampling=spacing)
    near: npt.NDArray[np.float32] = np.clip(1 - away / reach, 0, 1).astype(np.float32)
    return near
