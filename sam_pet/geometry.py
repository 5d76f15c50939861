"""Where voxels are: the grid of an image, and its axial view.

Two orders of the same three axes are in use, and only these: a *voxel* is an index (x, y, z) as in ITK
and in prompt files; an *array* is indexed [z, y, x] as SimpleITK hands it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

Voxel = tuple[int, int, int]
FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Grid:
    """Size (x, y, z), spacing and origin in mm, and row-major 3 x 3 direction cosines (LPS) of an image.

    Examples:
        >>> from sam_pet import Grid
        >>> grid = Grid(size=(30, 40, 20), spacing=(4.0, 4.0, 5.0), origin=(-60.0, -80.0, 0.0))
        >>> grid.shape, grid.voxel_ml
        ((20, 40, 30), 0.08)
        >>> grid.to_world([(0, 0, 0), (10, 0, 2)]).tolist()
        [[-60.0, -80.0, 0.0], [-20.0, -80.0, 10.0]]
    """

    size: tuple[int, int, int]
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)

    @classmethod
    def of(cls, image: sitk.Image) -> Self:
        return cls(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())

    @property
    def shape(self) -> tuple[int, int, int]:
        """The shape (z, y, x) of an array on this grid."""
        x, y, z = self.size
        return z, y, x

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in mL."""
        return float(np.prod(self.spacing)) / 1000.0

    @cached_property
    def _affine(self) -> npt.NDArray[np.float64]:
        affine: npt.NDArray[np.float64] = np.asarray(self.direction).reshape(3, 3) * np.asarray(self.spacing)
        return affine

    def to_world(self, voxels: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """World positions (mm, LPS) of (continuous) voxel indices, shape (..., 3)."""
        points: npt.NDArray[np.float64] = np.asarray(voxels, float) @ self._affine.T + np.asarray(self.origin)
        return points

    def to_voxel(self, points: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Continuous voxel indices of world positions (mm, LPS), shape (..., 3)."""
        offsets = np.asarray(points, float) - np.asarray(self.origin)
        voxels: npt.NDArray[np.float64] = offsets @ np.linalg.inv(self._affine).T
        return voxels

    def contains(self, voxels: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Which integer voxel indices, shape (n, 3), lie on the grid."""
        voxels = np.asarray(voxels)
        inside: npt.NDArray[np.bool_] = np.logical_and.reduce((voxels >= 0) & (voxels < self.size), axis=-1)
        return inside

    def image(self, array: npt.NDArray[Any]) -> sitk.Image:
        """The array [z, y, x] as an image on this grid.

        Raises:
            ValueError: the array's shape is not the grid's.
        """
        if array.shape != self.shape:
            raise ValueError(f"an array of shape {array.shape} is not on a grid of shape {self.shape}")
        image = sitk.GetImageFromArray(np.ascontiguousarray(array))
        image.SetSpacing(self.spacing)
        image.SetOrigin(self.origin)
        image.SetDirection(self.direction)
        return image

    def same_as(self, other: Grid, tolerance: float = 1e-3) -> bool:
        """Equal size, and corners that coincide within `tolerance` voxels."""
        if self.size != other.size:
            return False
        corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]]) * (np.array(self.size) - 1)
        return bool(np.abs(self.to_voxel(other.to_world(corners)) - corners).max() <= tolerance)


@dataclass(frozen=True)
class AxialOrder:
    """How stored axes turn into the axial view: x to the patient's left, y to the back, z to the head.

    Oblique volumes take the nearest axes. `axes[i]` is the stored (x, y, z) axis that becomes axial axis i,
    `flips[i]` whether it runs the other way. Axial voxels and arrays follow the same two orders as stored ones.

    Examples:
        >>> from sam_pet import Grid
        >>> from sam_pet.geometry import AxialOrder
        >>> turned = Grid((30, 40, 20), direction=(-1, 0, 0, 0, -1, 0, 0, 0, 1))
        >>> AxialOrder.of(turned).voxels([(0, 0, 7)]).tolist()
        [[29, 39, 7]]
    """

    size: tuple[int, int, int]
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    @classmethod
    def of(cls, grid: Grid) -> Self:
        cosines = np.asarray(grid.direction).reshape(3, 3)
        strength = np.abs(cosines)
        axes = [-1, -1, -1]
        for _ in range(3):
            world, stored = np.unravel_index(int(strength.argmax()), strength.shape)
            axes[int(world)] = int(stored)
            strength[world, :] = -1.0
            strength[:, stored] = -1.0
        flips = [bool(cosines[world, axes[world]] < 0) for world in range(3)]
        return cls(grid.size, (axes[0], axes[1], axes[2]), (flips[0], flips[1], flips[2]))

    def spacing(self, grid: Grid) -> tuple[float, float, float]:
        """Spacing (x, y, z) in mm of the axial view."""
        x, y, z = (grid.spacing[a] for a in self.axes)
        return x, y, z

    def view(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """A stored array [z, y, x] as an axial one; a view, nothing is copied."""
        turned = array.transpose([2 - a for a in self.axes[::-1]])
        return turned[tuple(slice(None, None, -1 if f else 1) for f in self.flips[::-1])]

    def restore(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The inverse of `view`."""
        unflipped = array[tuple(slice(None, None, -1 if f else 1) for f in self.flips[::-1])]
        inverse = np.argsort([2 - a for a in self.axes[::-1]])
        return unflipped.transpose(inverse)

    def voxels(self, stored: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Axial voxels of stored voxels, shape (n, 3)."""
        stored = np.asarray(stored, np.int64).reshape(-1, 3)
        out = stored[:, list(self.axes)]
        for i, flip in enumerate(self.flips):
            if flip:
                out[:, i] = self.size[self.axes[i]] - 1 - out[:, i]
        return out

    def stored(self, axial: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """The inverse of `voxels`."""
        axial = np.array(axial, np.int64).reshape(-1, 3)
        for i, flip in enumerate(self.flips):
            if flip:
                axial[:, i] = self.size[self.axes[i]] - 1 - axial[:, i]
        return axial[:, np.argsort(self.axes)]
