"""Windows around strokes, at a bounded number of voxels: a method's cost then follows the lesions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from sam_pet.boxes import Slices
from sam_pet.geometry import Grid
from sam_pet.methods.method import Bools
from sam_pet.methods.near import near
from sam_pet.readers.stroke import Stroke
from sam_pet.study import Volume

T = TypeVar("T", bound=np.generic)


def merged(boxes: Sequence[Slices]) -> list[Slices]:
    """Boxes with those that overlap joined, until none do."""
    joined: list[Slices] = []
    for box in boxes:
        overlapping = [other for other in joined if _overlap(box, other)]
        while overlapping:
            joined = [other for other in joined if other not in overlapping]
            box = _hull([box, *overlapping])
            overlapping = [other for other in joined if _overlap(box, other)]
        joined.append(box)
    return joined


def around(grid: Grid, stroke: Stroke, margin_mm: float) -> Slices:
    """The box around a stroke with a margin, cut at the volume's border."""
    return near(grid, stroke.voxels, margin_mm)[0]


def grown(box: Slices, inside: Bools, grid: Grid, by_mm: float) -> Slices:
    """The box, longer by `by_mm` on each side whose outermost layer the mask `inside` it touches."""
    new = []
    for axis, (part, size, spacing) in enumerate(zip(box, grid.shape, grid.spacing[::-1], strict=True)):
        step = max(1, round(by_mm / spacing))
        faces = [bool(inside.take(end, axis=axis).any()) for end in (0, -1)]
        new.append(slice(max(0, part.start - step * faces[0]), min(size, part.stop + step * faces[1])))
    return new[0], new[1], new[2]


def _overlap(one: Slices, other: Slices) -> bool:
    return all(a.start < b.stop and b.start < a.stop for a, b in zip(one, other, strict=True))


def _hull(boxes: Sequence[Slices]) -> Slices:
    z, y, x = (slice(min(p.start for p in parts), max(p.stop for p in parts)) for parts in zip(*boxes, strict=True))
    return z, y, x


def coarse(volume: Volume, factors: tuple[int, int, int]) -> Volume:
    """Means over blocks of so many voxels [z, y, x]; the last block of an axis repeats its last voxel."""
    padding = [(0, -n % k) for n, k in zip(volume.shape, factors, strict=True)]
    padded = np.pad(volume, padding, mode="edge")
    z, y, x = (n // k for n, k in zip(padded.shape, factors, strict=True))
    parts = padded.reshape(z, factors[0], y, factors[1], x, factors[2])
    means: Volume = parts.mean(axis=(1, 3, 5), dtype=np.float32)
    return means


def factors_for(shape: tuple[int, ...], spacing: tuple[float, ...], most: int) -> tuple[int, int, int]:
    """By how much to coarsen [z, y, x] so that at most `most` voxels are left: the finest axis first."""
    factors = [1, 1, 1]
    while np.prod([-(-n // k) for n, k in zip(shape, factors, strict=True)]) > most:
        finest = int(np.argmin([s * k for s, k in zip(spacing, factors, strict=True)]))
        factors[finest] += 1
    return factors[0], factors[1], factors[2]


def fine(coarsened: npt.NDArray[T], factors: tuple[int, int, int], shape: tuple[int, ...]) -> npt.NDArray[T]:
    """The inverse of `coarse`: each voxel takes the value of its block."""
    for axis, factor in enumerate(factors):
        coarsened = coarsened.repeat(factor, axis=axis)
    z, y, x = shape
    return coarsened[:z, :y, :x]
