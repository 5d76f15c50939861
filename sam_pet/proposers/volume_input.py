"""What the contour network is shown: CT, PET, strokes and the mask that stands, in a cube round what was drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.boxes import MaskBox
from sam_pet.prompts import Voxels
from sam_pet.proposers.distance_map import distance_map
from sam_pet.proposers.isotropic_grid import IsotropicGrid
from sam_pet.sam2.clips import Clip
from sam_pet.sam2.frames import PET_LINEAR, PET_LOG, SOFT_TISSUE
from sam_pet.study import AIR_HU, Study, Volume

Bools = npt.NDArray[np.bool_]
# Cells along each side, and how wide the cubes are: lesions are of all sizes.
SIDE = 32
WIDTHS_MM = (64.0, 128.0, 256.0)
CHANNELS = 9
# Which of them is the mask that stands.
STANDING = 8
# What is drawn lies at most so many widths of a cube off its middle.
OFF_MIDDLE = 0.4
# Cells in which a stroke is noticed.
_REACH = 10.0
_UPTAKE_LIMIT = 3.0
_SMALL = 1e-3


@dataclass(frozen=True)
class VolumeInput:
    """Cells [z, y, x] of `mm`: CT in HU (or None), PET in SUV, where strokes are, and which part of each the mask fills
    that stands, if there is one.
    """

    ct: Volume | None
    pet: Volume
    tumor: Bools
    background: Bools
    mm: float
    standing: Volume | None = None

    def inputs(self) -> npt.NDArray[np.float32]:
        """The network's input (`CHANNELS`, z, y, x)."""
        level = max(float(self.pet[self.tumor].max(initial=0.0)), _SMALL)
        return np.stack(
            [
                np.zeros_like(self.pet) if self.ct is None else SOFT_TISSUE.render(self.ct),
                np.full_like(self.pet, float(self.ct is not None)),
                PET_LINEAR.render(self.pet),
                PET_LOG.render(self.pet),
                np.minimum(self.pet / level, _UPTAKE_LIMIT),
                distance_map(self.tumor, _REACH),
                distance_map(self.background, _REACH),
                np.full_like(self.pet, np.log2(self.mm / 4.0)),
                np.zeros_like(self.pet) if self.standing is None else self.standing,
            ]
        ).astype(np.float32)


def middle_of(drawn: npt.NDArray[Any], standing: npt.NDArray[Any], room: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The middle of a cube that shows points (n, 3) which were drawn, and those of a mask (m, 3), m may be 0.

    It is the middle of all as long as what is drawn lies within `room` (3,) of it, and else as near to that as may be.
    """
    low, high = drawn.min(axis=0), drawn.max(axis=0)
    wanted = np.concatenate([drawn, standing])
    middle: npt.NDArray[np.float64] = np.clip(
        (wanted.min(axis=0) + wanted.max(axis=0)) / 2,
        np.minimum(high - room, (low + high) / 2),
        np.maximum(low + room, (low + high) / 2),
    )
    return middle


def cells_round(study: Study, drawn: Voxels, width_mm: float, standing: MaskBox | None = None) -> IsotropicGrid:
    """The cells of a cube round axial voxels (n, 3) and a mask, cut at the study's first and last slice."""
    ends = np.zeros((0, 3))
    if standing is not None and standing.values.any():
        box = standing.trimmed()
        ends = np.add(box.corner, [np.zeros(3), np.subtract(box.values.shape[::-1], 1)])
    sx, sy, sz = study.frame_spacing
    x, y, z = middle_of(drawn, ends, OFF_MIDDLE * width_mm / np.array([sx, sy, sz])).tolist()
    half = max(int((width_mm / sz - 1) / 2), 0)
    first, last = max(int(z) - half, 0), min(int(z) + half, len(study.axial_pet) - 1)
    return IsotropicGrid(Clip((x, y), width_mm, SIDE, (sx, sy), first, last), SIDE, sz)


def volume_input(
    study: Study, cells: IsotropicGrid, tumor: Voxels, background: Voxels, standing: MaskBox | None = None
) -> VolumeInput:
    """The input round a lesion; strokes are axial voxels (n, 3)."""
    return VolumeInput(
        None if study.axial_ct is None else cells.sample(study.axial_ct, AIR_HU),
        cells.sample(study.axial_pet, 0.0),
        cells.marked(tumor),
        cells.marked(background),
        cells.mm,
        None if standing is None else cells.filled(standing),
    )
