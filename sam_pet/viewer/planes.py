"""Where a pixel of a canvas lies: three orthogonal planes of the axial view, each shown through a window.

A *pixel* (u, v) counts from the canvas's upper left corner to the right and down. The axial view is that of
`sam_pet.geometry.AxialOrder`: x to the patient's left, y to the back, z to the head. Canvases show it as radiologists
read it: the patient's left on the right, and the head, or on axial slices the chest, on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from skimage.draw import line

from sam_pet.geometry import Voxel
from sam_pet.prompts import Voxels

Pixel = tuple[float, float]
Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Plane:
    """The axial axes (0 x, 1 y, 2 z) that run across and down a canvas and through it; z runs up."""

    name: str
    across: int
    down: int
    through: int

    @property
    def upward(self) -> bool:
        return self.down == 2

    def cut(self, volume: Array, index: int) -> Array:
        """The slice of an axial array [z, y, x] as it is shown, [down, across]; a view."""
        return self._shown(volume[(slice(None),) * (2 - self.through) + (index,)])

    def project(self, volume: Array) -> Array:
        """The maximum through an axial array [z, y, x] as it is shown, [down, across]."""
        return self._shown(volume.max(axis=2 - self.through))

    def _shown(self, flat: Array) -> Array:
        return flat[::-1] if self.upward else flat


AXIAL = Plane("axial", 0, 1, 2)
CORONAL = Plane("coronal", 0, 2, 1)
SAGITTAL = Plane("sagittal", 1, 2, 0)


@dataclass(frozen=True)
class SliceView:
    """A window on a plane, drawn on a canvas of `width` x `height` pixels.

    `size` and `spacing` (mm) are those of the axial view, (x, y, z). The window begins `low` mm from the outer corner
    of the first voxel along (x, y, z) and is `span` mm long; it never leaves the volume: each pixel shows a voxel.
    """

    plane: Plane
    size: tuple[int, int, int]
    spacing: tuple[float, float, float]
    low: tuple[float, float, float]
    span: tuple[float, float, float]
    width: int
    height: int

    def voxels(self, pixels: Sequence[Pixel], index: int) -> Voxels:
        """The axial voxels (n, 3) under pixels, on slice `index`; pixels beyond the canvas count as its border."""
        held = np.clip(np.asarray(pixels, float).reshape(-1, 2), 0, np.array([self.width, self.height]) - 1e-6)
        voxels = np.full((len(held), 3), index, np.int64)
        part = held / (self.width, self.height)
        if self.plane.upward:
            part[:, 1] = 1 - part[:, 1]
        for axis, along in ((self.plane.across, part[:, 0]), (self.plane.down, part[:, 1])):
            place = np.floor((self.low[axis] + along * self.span[axis]) / self.spacing[axis])
            voxels[:, axis] = np.clip(place, 0, self.size[axis] - 1)
        return voxels

    def stroke(self, pixels: Sequence[Pixel], index: int) -> Voxels:
        """The axial voxels (n, 3) of a stroke through pixels, without gaps and each once, in the order drawn."""
        corners = self.voxels(pixels, index)
        drawn: dict[Voxel, None] = {}
        for start, end in pairwise(corners):
            ends = (start[self.plane.down], start[self.plane.across], end[self.plane.down], end[self.plane.across])
            for down, across in zip(*line(*map(int, ends)), strict=True):
                voxel = [index, index, index]
                voxel[self.plane.down], voxel[self.plane.across] = int(down), int(across)
                drawn[(voxel[0], voxel[1], voxel[2])] = None
        return np.array(list(drawn) or corners[:1], np.int64).reshape(-1, 3)

    def pixel(self, voxel: Sequence[float]) -> Pixel:
        """The pixel under the centre of an axial voxel; it may lie beyond the canvas."""
        part = [
            ((voxel[axis] + 0.5) * self.spacing[axis] - self.low[axis]) / self.span[axis]
            for axis in (self.plane.across, self.plane.down)
        ]
        down = 1 - part[1] if self.plane.upward else part[1]
        return part[0] * self.width, down * self.height

    @property
    def box(self) -> tuple[float, float, float, float]:
        """The window in a shown slice: left, upper, right, lower, in voxels from its corner."""
        (left, right), (upper, lower) = (
            (self.low[a] / self.spacing[a], (self.low[a] + self.span[a]) / self.spacing[a])
            for a in (self.plane.across, self.plane.down)
        )
        if self.plane.upward:
            upper, lower = self.size[self.plane.down] - lower, self.size[self.plane.down] - upper
        return left, upper, right, lower


def window(
    size: tuple[int, int, int], spacing: tuple[float, float, float], centre: Sequence[float], zoom: float
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """`low` and `span` of a view: the volume's extent over `zoom`, about a voxel as far as the border allows."""
    low, span = [], []
    for n, step, at in zip(size, spacing, centre, strict=True):
        length = n * step / zoom
        low.append(min(max((at + 0.5) * step - length / 2, 0.0), n * step - length))
        span.append(length)
    return (low[0], low[1], low[2]), (span[0], span[1], span[2])


def canvas_size(
    plane: Plane, size: tuple[int, int, int], spacing: tuple[float, float, float], longest: int
) -> tuple[int, int]:
    """Width and height in pixels of a plane's canvas: square pixels, the volume's longest edge `longest` pixels."""
    extent = [n * step for n, step in zip(size, spacing, strict=True)]
    width, height = (max(1, round(extent[a] * longest / max(extent))) for a in (plane.across, plane.down))
    return width, height
