"""The three planes of a study as flat pictures, the way a reader holds them.

Coronal and axial pictures have the patient's right on the left, coronal and sagittal ones the head on top; sagittal
ones have the face to the left, axial ones on top, seen from the feet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sam_pet.geometry import Voxel
from sam_pet.labels import Labels, lesion_boxes
from sam_pet.study import Study, Volume

Plane = Literal["axial", "coronal", "sagittal"]
Bools = npt.NDArray[np.bool_]
Flat = npt.NDArray[Any]

# Left, right, top, bottom: the patient's right, left, anterior, posterior, head, feet.
MARKS: dict[Plane, tuple[str, str, str, str]] = {
    "axial": ("R", "L", "A", "P"),
    "coronal": ("R", "L", "H", "F"),
    "sagittal": ("A", "P", "H", "F"),
}
# The axis of an axial array [z, y, x] that a plane lies across.
_ACROSS: dict[Plane, int] = {"axial": 0, "coronal": 1, "sagittal": 2}


@dataclass(frozen=True)
class PlanePart:
    """A lesion in a picture: its mask over the rows and columns from `row` and `column` on."""

    mask: Bools
    row: int
    column: int


@dataclass(frozen=True)
class View:
    """A study seen in one plane; pictures are [row, column] from the top left corner.

    Volumes are arrays [z, y, x] on the study's grid, as it is stored; whatever its axes, pictures stand upright.
    """

    study: Study
    plane: Plane

    @property
    def spacing(self) -> tuple[float, float]:
        """Height and width of a pixel in mm."""
        x, y, z = self.study.frame_spacing
        return {"axial": (y, x), "coronal": (z, x), "sagittal": (z, y)}[self.plane]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of a picture."""
        sizes = list(self.study.axial_pet.shape)
        del sizes[_ACROSS[self.plane]]
        return sizes[0], sizes[1]

    @property
    def extent_mm(self) -> tuple[float, float]:
        """Height and width of a picture in mm."""
        height, width = (n * s for n, s in zip(self.shape, self.spacing, strict=True))
        return height, width

    @property
    def depth(self) -> int:
        """How many slices there are."""
        return int(self.study.axial_pet.shape[_ACROSS[self.plane]])

    def maximum(self, volume: Volume) -> Volume:
        """The maximum-intensity projection."""
        flat: Volume = self._upright(self.study.order.view(volume).max(axis=_ACROSS[self.plane]))
        return flat

    def slice_(self, volume: npt.NDArray[Any], index: int) -> Flat:
        """One slice; see `place` for the index of a voxel."""
        return self._upright(np.take(self.study.order.view(volume), index, axis=_ACROSS[self.plane]))

    def place(self, voxel: Voxel) -> tuple[int, int, int]:
        """Slice, row and column of a stored voxel (x, y, z)."""
        place = self.study.order.voxels([voxel])[0][::-1].tolist()
        index = place.pop(_ACROSS[self.plane])
        row, column = place
        return index, row if self.plane == "axial" else self.shape[0] - 1 - row, column

    def named(self, voxel: Voxel) -> str:
        """The name of the slice through a stored voxel, by its stored index: "axial, z = 12"."""
        axis = self.study.order.axes[2 - _ACROSS[self.plane]]
        return f"{self.plane}, {'xyz'[axis]} = {voxel[axis]}"

    def shadows(self, labels: Labels | Bools) -> dict[int, PlanePart]:
        """Where each lesion is in a projection, by its number."""
        return self._parts(labels, None)

    def sections(self, labels: Labels | Bools, index: int) -> dict[int, PlanePart]:
        """Where each lesion is in a slice, by its number; those that the slice cuts."""
        return self._parts(labels, index)

    def _parts(self, labels: Labels | Bools, index: int | None) -> dict[int, PlanePart]:
        across = _ACROSS[self.plane]
        axial = self.study.order.view(labels)
        if index is not None:
            axial = axial.take([index], axis=across)
        if axial.dtype == bool:
            axial = axial.astype(np.uint8)
        parts = {}
        for number, box in lesion_boxes(axial).items():
            mask = self._upright((axial[box] == number).any(axis=across))
            rows, columns = (part for axis, part in enumerate(box) if axis != across)
            row = rows.start if self.plane == "axial" else self.shape[0] - rows.stop
            parts[number] = PlanePart(mask, row, columns.start)
        return parts

    def _upright(self, flat: Flat) -> Flat:
        return flat if self.plane == "axial" else flat[::-1]
