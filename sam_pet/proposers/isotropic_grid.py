"""Cells: a lesion's clip as a cube of cubes, from voxels and back.

Cells are as wide in z as in x and y: the width of the clip's window over `side`. A large lesion has large cells, so
that cost follows the lesion and not the voxels, and all lesions look alike in size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sam_pet.boxes import MaskBox
from sam_pet.prompts import Voxels
from sam_pet.sam2.clips import Clip, linear_weights
from sam_pet.study import Volume

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class IsotropicGrid:
    """`clip` with `side` cells along x and y on its slices `clip.first`..`clip.last`; `between` mm lie between two."""

    clip: Clip
    side: int
    between: float

    @property
    def mm(self) -> float:
        """Side of a cell."""
        return self.clip.width_mm / self.side

    @property
    def shape(self) -> tuple[int, int, int]:
        """Numbers of cells [z, y, x]."""
        return max(round(len(self.clip.slices) * self.between / self.mm), 1), self.side, self.side

    @property
    def _plane(self) -> Clip:
        return replace(self.clip, size=self.side)

    def sample(self, volume: Volume, outside: float) -> Volume:
        """An axial array [z, y, x] at the cells' centres, by linear interpolation, averaged where voxels are finer."""
        slices = list(self.clip.slices)
        return self.stack(self._plane.sample(volume, slices, outside))

    def filled(self, block: MaskBox) -> Volume:
        """Which part of each cell a mask fills."""
        x, y, z = block.corner
        plane = replace(self._plane, center=(self.clip.center[0] - x, self.clip.center[1] - y))
        planes = np.zeros((len(self.clip.slices), self.side, self.side), np.float32)
        here = [at for at in self.clip.slices if 0 <= at - z < len(block.values)]
        found = plane.sample(block.values.astype(np.float32), [at - z for at in here], 0.0)
        planes[[at - self.clip.first for at in here]] = found
        return self.stack(planes)

    def stack(self, planes: Volume) -> Volume:
        """Slices (n, ...) of the clip, along z at the cells' centres."""
        stacked: Volume = np.tensordot(self._along_z, planes, axes=1).astype(np.float32)
        return stacked

    @property
    def _along_z(self) -> npt.NDArray[np.float32]:
        """Weights (cells, slices)."""
        count, slices = self.shape[0], len(self.clip.slices)
        step = slices / count
        positions = (np.arange(count) + 0.5) * step - 0.5
        reach = max(step, 1.0)
        weights = np.maximum(0.0, 1 - np.abs(positions[:, None] - np.arange(slices)) / reach)
        along: npt.NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
        return along

    def places(self, voxels: Voxels) -> Ints:
        """The cells [z, y, x] of those axial voxels (n, 3) that lie in the clip."""
        xy = np.floor(self._plane.to_pixels(voxels) + 0.5)
        z = (voxels[:, 2:] - self.clip.first + 0.5) * (self.shape[0] / len(self.clip.slices))
        found = np.concatenate([np.floor(z), xy[:, ::-1]], axis=1).astype(np.int64)
        inside: Ints = found[((found >= 0) & (found < self.shape)).all(axis=1)]
        return inside

    def marked(self, voxels: Voxels) -> npt.NDArray[np.bool_]:
        """Which cells axial voxels (n, 3) lie in."""
        marks = np.zeros(self.shape, bool)
        marks[tuple(self.places(voxels).T)] = True
        return marks

    def restore(self, values: Volume, frame: Sequence[int]) -> tuple[tuple[int, int, int], Volume]:
        """Values at the cells, at the voxels of the clip: their first voxel (x, y, z), and the values [z, y, x].

        `frame` is (rows, columns) of the volume.
        """
        slices = len(self.clip.slices)
        positions = (np.arange(slices, dtype=float) + 0.5) * (self.shape[0] / slices) - 0.5
        planes = np.tensordot(linear_weights(positions, self.shape[0]), values, axes=1).astype(np.float32)
        found, (rows, columns) = self._plane.restore(planes, (frame[0], frame[1]))
        return (columns.start, rows.start, self.clip.first), found
