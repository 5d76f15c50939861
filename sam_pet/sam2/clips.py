"""Clips: a square window around a lesion through consecutive frames, at the model's resolution, and back.

A clip's *pixels* (u, v) are the model's: pixel centres at whole numbers, 0 to size - 1, u along x.
Its *slices* are axial array indices z; slices are never resampled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from sam_pet.sam2.frames import FrameRecipe
from sam_pet.study import AIR_HU, Study, Volume

Points = npt.NDArray[np.float64]


class ClipRecipe(BaseModel):
    """How wide clips are; it travels with a checkpoint.

    A clip starts `first_mm` wide and as long; while the mask touches its edge it grows by `growth`, up to `largest_mm`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first_mm: float = Field(default=100.0, gt=0)
    largest_mm: float = Field(default=480.0, gt=0)
    growth: float = Field(default=1.5, gt=1)


@dataclass(frozen=True)
class Clip:
    """A window around `center` (axial voxel x, y) as `size` x `size` pixels, on slices `first`..`last`.

    It is `width_mm` wide and high; `spacing` is that of the frame, (x, y) in mm.
    """

    center: tuple[float, float]
    width_mm: float
    size: int
    spacing: tuple[float, float]
    first: int
    last: int

    @property
    def slices(self) -> range:
        return range(self.first, self.last + 1)

    def to_pixels(self, voxels: npt.ArrayLike) -> Points:
        """Pixels (u, v) of axial voxels (x, y[, z]), shape (n, 2)."""
        xy = np.asarray(voxels, float)[..., :2]
        offset_mm = (xy - np.asarray(self.center)) * np.asarray(self.spacing)
        pixels: Points = offset_mm * (self.size / self.width_mm) + (self.size - 1) / 2
        return pixels

    def to_voxels(self, pixels: npt.ArrayLike) -> Points:
        """The inverse of `to_pixels`: continuous axial voxels (x, y), shape (n, 2)."""
        offset = (np.asarray(pixels, float) - (self.size - 1) / 2) * (self.width_mm / self.size)
        voxels: Points = offset / np.asarray(self.spacing) + np.asarray(self.center)
        return voxels

    def voxel_range(self, axis: int, length: int) -> range:
        """The voxels along x (axis 0) or y (1) whose centres lie in the window, cut at the volume's border."""
        half = self.width_mm / 2 / self.spacing[axis]
        low = int(np.ceil(self.center[axis] - half))
        high = int(np.floor(self.center[axis] + half))
        return range(max(low, 0), min(high, length - 1) + 1)

    def frames(self, study: Study, recipe: FrameRecipe, slices: list[int]) -> Volume:
        """The fused frames of some slices, float32 (n, 3, size, size); beyond the volume lies air without uptake."""
        pet = self.sample(study.axial_pet, slices, 0.0)
        ct = None if study.axial_ct is None else self.sample(study.axial_ct, slices, AIR_HU)
        return recipe.render(ct, pet)

    def sample(self, volume: Volume, slices: list[int], outside: float) -> Volume:
        along_x, columns = self._interpolation(0, volume.shape[2])
        along_y, rows = self._interpolation(1, volume.shape[1])
        # The window first: a list of slices copies them whole.
        block = volume[:, rows, columns][slices] - np.float32(outside)
        sampled: Volume = np.float32(outside) + along_y @ block @ along_x.T
        return sampled

    def _interpolation(self, axis: int, length: int) -> tuple[Volume, slice]:
        """Weights (size, n) of the n voxels near the window, and which these are.

        Linear where voxels are coarser than pixels; a tent as wide as a pixel where they are finer.
        """
        positions = self.to_voxels(np.arange(self.size)[:, None].repeat(2, axis=1))[:, axis]
        reach = max(1.0, self.width_mm / self.size / self.spacing[axis])
        around = np.arange(int(np.floor(positions[0] - reach)), int(np.ceil(positions[-1] + reach)) + 1)
        weights: Points = np.maximum(0.0, 1 - np.abs(positions[:, None] - around) / reach)
        weights /= weights.sum(axis=1, keepdims=True)
        inside = (around >= 0) & (around < length)
        kept = around[inside]
        where = slice(int(kept[0]), int(kept[-1]) + 1) if kept.size else slice(0, 0)
        return weights[:, inside].astype(np.float32), where

    def restore(self, logits: Volume, shape: tuple[int, int]) -> tuple[Volume, tuple[slice, slice]]:
        """Logits of the model at the voxels of the frame that lie in the window.

        Args:
            logits: (n, s, s), covering the window at any resolution s.
            shape: (rows, columns) of the frame.

        Returns:
            Logits (n, rows in the window, columns in the window), and these rows and columns.
        """
        columns, rows = self.voxel_range(0, shape[1]), self.voxel_range(1, shape[0])
        along_x = linear_weights(self._positions(0, columns, logits.shape[2]), logits.shape[2])
        along_y = linear_weights(self._positions(1, rows, logits.shape[1]), logits.shape[1])
        values: Volume = np.matmul(np.matmul(along_y, logits), along_x.T)
        return values, (slice(rows.start, rows.stop), slice(columns.start, columns.stop))

    def _positions(self, axis: int, voxels: range, resolution: int) -> Points:
        pixels = self.to_pixels(np.arange(voxels.start, voxels.stop)[:, None].repeat(2, axis=1))[:, axis]
        return (pixels + 0.5) * (resolution / self.size) - 0.5


def linear_weights(positions: Points, length: int) -> Volume:
    """Weights (n, length) of linear interpolation at positions, held at the ends."""
    held = np.clip(positions, 0, length - 1)
    weights: npt.NDArray[Any] = np.maximum(0.0, 1 - np.abs(held[:, None] - np.arange(length)))
    return weights.astype(np.float32)
