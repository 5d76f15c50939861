"""A volume on coarser blocks of voxels."""

from __future__ import annotations

import numpy as np

from sam_pet.study import Volume

Step = tuple[int, int, int]


def block_step(spacing: tuple[float, float, float], wanted_mm: float) -> Step:
    """How many voxels [z, y, x] of this spacing (x, y, z) make a block of about so many mm; at least 1."""
    z, y, x = (max(1, round(wanted_mm / s)) for s in spacing[::-1])
    return z, y, x


def block_means(volume: Volume, step: Step) -> Volume:
    """Means over blocks of `step` voxels [z, y, x]; what is left over at the far ends makes smaller blocks."""
    means = volume
    for axis, count in enumerate(step):
        if count > 1:
            starts = np.arange(0, means.shape[axis], count)
            sizes = np.diff([*starts, means.shape[axis]]).astype(np.float32)
            shape = [-1 if a == axis else 1 for a in range(3)]
            sums = np.add.reduceat(means, starts, axis=axis, dtype=np.float32)
            means = np.asarray(sums / sizes.reshape(shape), np.float32)
    return np.ascontiguousarray(means, np.float32)
