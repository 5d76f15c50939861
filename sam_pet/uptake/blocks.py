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
    means = np.asarray(volume, np.float32)
    for axis, count in enumerate(step):
        if count > 1:
            along = np.moveaxis(means, axis, 0)
            whole = len(along) // count * count
            parts = [_mean(along[:whole].reshape(-1, count, *along.shape[1:]), count)]
            if whole < len(along):
                parts.append(_mean(along[None, whole:], len(along) - whole))
            means = np.moveaxis(np.concatenate(parts), 0, axis)
    return np.ascontiguousarray(means, np.float32)


def _mean(blocks: Volume, count: int) -> Volume:
    """Means of blocks (n, `count`, ...) over their second axis: plane by plane, which memory likes best."""
    rest: Volume = np.zeros_like(blocks[:, 0]) if count == 1 else blocks[:, 1]
    for i in range(2, count):
        rest = rest + blocks[:, i]
    means: Volume = (blocks[:, 0] + rest) / np.float32(count)
    return means
