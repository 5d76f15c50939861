"""A mask in the box that it needs, instead of in a whole volume."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

from sam_pet.extent import Slices
from sam_pet.prompts import Voxels

Corner = tuple[int, int, int]


@dataclass(frozen=True)
class Block:
    """A mask within a box of the axial view: `values` [z, y, x], whose first voxel is `corner` (x, y, z)."""

    corner: Corner
    values: npt.NDArray[np.bool_]

    @property
    def slices(self) -> Slices:
        """Where the block lies in an axial array [z, y, x]."""
        z, y, x = (slice(c, c + n) for c, n in zip(self.corner[::-1], self.values.shape, strict=True))
        return z, y, x

    def rows(self, voxels: Voxels) -> tuple[npt.NDArray[np.int64], ...]:
        """Indices into `values` of those axial voxels (n, 3) that lie in the block."""
        local = voxels - np.asarray(self.corner)
        inside = ((local >= 0) & (local < np.array(self.values.shape[::-1]))).all(axis=1)
        return tuple(local[inside, ::-1].T)

    def voxels(self) -> Voxels:
        """The axial voxels (n, 3) of the mask."""
        found: Voxels = np.argwhere(self.values)[:, ::-1] + np.asarray(self.corner)
        return found

    def trimmed(self) -> Block:
        """The same mask in the smallest box."""
        box = find_objects(self.values.astype(np.uint8))
        if not box:
            return Block(self.corner, np.zeros((1, 1, 1), bool))
        x, y, z = (c + s.start for c, s in zip(self.corner, box[0][::-1], strict=True))
        return Block((x, y, z), self.values[box[0]].copy())

    def within(self, corner: Corner, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """The part of the mask in a box of this shape [z, y, x] whose first voxel is `corner` (x, y, z)."""
        inside = np.zeros(shape, bool)
        shared = overlap(corner, shape, self.corner, self.values.shape)
        if shared is not None:
            inside[shared[0]] = self.values[shared[1]]
        return inside

    def less(self, others: Iterable[Block]) -> Block:
        """The mask without others."""
        values = self.values.copy()
        for other in others:
            shared = overlap(self.corner, values.shape, other.corner, other.values.shape)
            if shared is not None:
                values[shared[0]] &= ~other.values[shared[1]]
        return Block(self.corner, values)

    def touches(self, voxels: Voxels) -> int:
        """How many of the axial voxels (n, 3) are in the mask."""
        return int(self.values[self.rows(voxels)].sum())


def overlap(
    corner: npt.ArrayLike, shape: tuple[int, ...], other: npt.ArrayLike, size: tuple[int, ...]
) -> tuple[Slices, Slices] | None:
    """Where two boxes of voxels overlap, as slices [z, y, x] of the one and of the other; None if they do not.

    Args:
        corner: the one's first voxel (x, y, z).
        shape: the one's shape [z, y, x].
        other, size: the same of the other.
    """
    one, two = np.asarray(corner)[::-1], np.asarray(other)[::-1]
    low, high = np.maximum(one, two), np.minimum(one + shape, two + size)
    if (high <= low).any():
        return None
    here, there = (tuple(slice(int(a), int(b)) for a, b in zip(low - at, high - at, strict=True)) for at in (one, two))
    return (here[0], here[1], here[2]), (there[0], there[1], there[2])
