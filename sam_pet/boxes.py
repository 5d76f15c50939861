"""Masks and logits in the boxes that they need, instead of in a whole volume."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects

from sam_pet.prompts import Voxels

Corner = tuple[int, int, int]
Slices = tuple[slice, slice, slice]
Floats = npt.NDArray[np.float32]
# Voxels of a lesion hang together through faces and edges, as in the challenge's count of lesions.
CONNECTIVITY = 18
# Beyond it a logit says no more.
LOGIT_LIMIT = 8.0


@dataclass(frozen=True)
class MaskBox:
    """A mask within a box of the axial view: `values` [z, y, x], whose first voxel is `corner` (x, y, z)."""

    corner: Corner
    values: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, voxels: Voxels) -> Self:
        """The mask that holds axial voxels (n, 3), at least one, in the smallest box."""
        low = voxels.min(axis=0)
        values = np.zeros((voxels.max(axis=0) - low + 1)[::-1], bool)
        values[tuple((voxels - low)[:, ::-1].T)] = True
        x, y, z = low.tolist()
        return cls((x, y, z), values)

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

    def trimmed(self) -> MaskBox:
        """The same mask in the smallest box."""
        box = find_objects(self.values.astype(np.uint8))
        if not box:
            return MaskBox(self.corner, np.zeros((1, 1, 1), bool))
        x, y, z = (c + s.start for c, s in zip(self.corner, box[0][::-1], strict=True))
        return MaskBox((x, y, z), self.values[box[0]].copy())

    def within(self, corner: Corner, shape: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """The part of the mask in a box of this shape [z, y, x] whose first voxel is `corner` (x, y, z)."""
        inside = np.zeros(shape, bool)
        shared = overlap(corner, shape, self.corner, self.values.shape)
        if shared is not None:
            inside[shared[0]] = self.values[shared[1]]
        return inside

    def joined(self, other: MaskBox) -> MaskBox:
        """What is in either mask, in the smallest box that holds both boxes."""
        corners = np.array([self.corner, other.corner])
        ends = corners + np.array([self.values.shape[::-1], other.values.shape[::-1]])
        x, y, z = corners.min(axis=0).tolist()
        shape = tuple((ends.max(axis=0) - (x, y, z))[::-1].tolist())
        return MaskBox((x, y, z), self.within((x, y, z), shape) | other.within((x, y, z), shape))

    def less(self, others: Iterable[MaskBox]) -> MaskBox:
        """The mask without others."""
        values = self.values.copy()
        for other in others:
            shared = overlap(self.corner, values.shape, other.corner, other.values.shape)
            if shared is not None:
                values[shared[0]] &= ~other.values[shared[1]]
        return MaskBox(self.corner, values)

    def touches(self, voxels: Voxels) -> int:
        """How many of the axial voxels (n, 3) are in the mask."""
        return int(self.values[self.rows(voxels)].sum())


@dataclass(frozen=True)
class LogitBox:
    """Logits within a box of the axial view: `values` [z, y, x], whose first voxel is `corner` (x, y, z)."""

    corner: tuple[int, int, int]
    values: Floats

    def widened(self, voxels: Voxels) -> LogitBox:
        """The field in the smallest box that also holds axial voxels (n, 3); what is new shows nothing."""
        corner, shape = np.asarray(self.corner), np.array(self.values.shape[::-1])
        low = np.minimum(corner, voxels.min(axis=0))
        high = np.maximum(corner + shape, voxels.max(axis=0) + 1)
        x, y, z = low.tolist()
        return LogitBox((x, y, z), self.within(low, tuple((high - low)[::-1].tolist())))

    def within(self, corner: npt.ArrayLike, shape: tuple[int, ...]) -> Floats:
        """The logits in a box [z, y, x] of this shape, whose first voxel is `corner`; what is new shows nothing."""
        box = np.full(shape, -LOGIT_LIMIT, np.float32)
        shared = overlap(corner, shape, self.corner, self.values.shape)
        if shared is not None:
            box[shared[0]] = self.values[shared[1]]
        return box

    def plus(self, other: LogitBox, weight: float) -> LogitBox:
        """The field with so much of another one's logits, where that one shows anything."""
        values = self.values.copy()
        shared = overlap(self.corner, values.shape, other.corner, other.values.shape)
        if shared is not None:
            values[shared[0]] += np.float32(weight) * other.values[shared[1]]
        return LogitBox(self.corner, np.clip(values, -LOGIT_LIMIT, LOGIT_LIMIT))


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


def bounding_box(mask: npt.NDArray[Any]) -> Slices | None:
    """The slices that cut a mask [z, y, x] down to what is not 0; None if there is nothing."""
    z = span(mask, 0)
    if z is None:
        return None
    y, x = span(mask[z], 1), span(mask[z], 2)
    return None if y is None or x is None else (z, y, x)


def span(mask: npt.NDArray[Any], axis: int, margin: int = 0) -> slice | None:
    """Where a mask is not 0 along one axis, with a margin that stays inside; None if it is nowhere."""
    others = tuple(a for a in range(mask.ndim) if a != axis)
    on = np.flatnonzero(mask.any(axis=others))
    if not on.size:
        return None
    return slice(max(0, int(on[0]) - margin), min(mask.shape[axis], int(on[-1]) + 1 + margin))
