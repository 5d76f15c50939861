"""What the contour network is shown: CT, PET and strokes in a cube round what was drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
CHANNELS = 8
# Cells in which a stroke is noticed.
_REACH = 10.0
_UPTAKE_LIMIT = 3.0
_SMALL = 1e-3


@dataclass(frozen=True)
class VolumeInput:
    """Cells [z, y, x] of `mm`: CT in HU (or None), PET in SUV, and where strokes are; at least one is tumor."""

    ct: Volume | None
    pet: Volume
    tumor: Bools
    background: Bools
    mm: float

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
            ]
        ).astype(np.float32)


def cells_round(study: Study, drawn: Voxels, width_mm: float) -> IsotropicGrid:
    """The cells of a cube in whose middle axial voxels (n, 3) lie, cut at the study's first and last slice."""
    x, y, z = (drawn.min(axis=0) + drawn.max(axis=0)) / 2
    sx, sy, sz = study.frame_spacing
    half = max(int((width_mm / sz - 1) / 2), 0)
    first, last = max(int(z) - half, 0), min(int(z) + half, len(study.axial_pet) - 1)
    return IsotropicGrid(Clip((float(x), float(y)), width_mm, SIDE, (sx, sy), first, last), SIDE, sz)


def volume_input(study: Study, cells: IsotropicGrid, tumor: Voxels, background: Voxels) -> VolumeInput:
    """The input round a lesion; strokes are axial voxels (n, 3)."""
    return VolumeInput(
        None if study.axial_ct is None else cells.sample(study.axial_ct, AIR_HU),
        cells.sample(study.axial_pet, 0.0),
        cells.marked(tumor),
        cells.marked(background),
        cells.mm,
    )
