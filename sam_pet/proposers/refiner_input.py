"""What the refiner is shown of a lesion: CT, PET, the tracker's logits and strokes, on cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from sam_pet.boxes import LOGIT_LIMIT
from sam_pet.prompts import Voxels
from sam_pet.proposers.distance_map import distance_map
from sam_pet.proposers.isotropic_grid import IsotropicGrid
from sam_pet.proposers.refiner_settings import RefinerSettings
from sam_pet.sam2.clips import Clip
from sam_pet.sam2.frames import PET_LINEAR, PET_LOG, SOFT_TISSUE
from sam_pet.sam2.memory import Memory
from sam_pet.study import AIR_HU, Study, Volume

Bools = npt.NDArray[np.bool_]
_UPTAKE_LIMIT = 3.0
CHANNELS = 9


@dataclass(frozen=True)
class RefinerInput:
    """A lesion on cells [z, y, x] of `mm`: CT in HU (or None), PET in SUV, the tracker's logits, where strokes are."""

    ct: Volume | None
    pet: Volume
    logits: Volume
    tumor: Bools
    background: Bools
    mm: float

    def inputs(self, reach: float) -> npt.NDArray[np.float32]:
        """The network's input (`CHANNELS`, z, y, x)."""
        shown = self.logits > 0
        level = float(self.pet[shown].mean()) if shown.any() else 0.0
        relative = np.zeros_like(self.pet) if level <= 0 else np.minimum(self.pet / level, _UPTAKE_LIMIT)
        return np.stack(
            [
                np.zeros_like(self.pet) if self.ct is None else SOFT_TISSUE.render(self.ct),
                np.full_like(self.pet, float(self.ct is not None)),
                PET_LINEAR.render(self.pet),
                PET_LOG.render(self.pet),
                relative,
                self.logits / LOGIT_LIMIT,
                distance_map(self.tumor, reach),
                distance_map(self.background, reach),
                np.full_like(self.pet, np.log(self.mm / 3.0)),
            ]
        ).astype(np.float32)


def cells_of(clip: Clip, held: Mapping[int, Memory], study: Study, settings: RefinerSettings) -> IsotropicGrid:
    """The cells of a lesion: the window of its clip, on the slices that are remembered and some beyond."""
    between = study.frame_spacing[2]
    more = int(np.ceil(settings.beyond * clip.width_mm / settings.side / between))
    first, last = max(min(held) - more, 0), min(max(held) + more, len(study.axial_pet) - 1)
    return IsotropicGrid(replace(clip, first=first, last=last), settings.side, between)


def refiner_input(
    study: Study, cells: IsotropicGrid, held: Mapping[int, Memory], tumor: Voxels, background: Voxels
) -> RefinerInput:
    """The input of a lesion; strokes are axial voxels (n, 3)."""
    return RefinerInput(
        None if study.axial_ct is None else cells.sample(study.axial_ct, AIR_HU),
        cells.sample(study.axial_pet, 0.0),
        cells.stack(_planes(cells, held)),
        cells.marked(tumor),
        cells.marked(background),
        cells.mm,
    )


def _planes(cells: IsotropicGrid, held: Mapping[int, Memory]) -> Volume:
    """The tracker's logits on the clip's slices; one that it has not seen shows nothing."""
    side = cells.side
    planes = np.full((len(cells.clip.slices), side, side), -LOGIT_LIMIT, np.float32)
    seen = [z for z in cells.clip.slices if z in held]
    logits = torch.stack([held[z].logits for z in seen]).float().cpu().clamp(-LOGIT_LIMIT, LOGIT_LIMIT)
    fine = F.interpolate(logits, size=(side, side), mode="bilinear", align_corners=False)
    planes[[z - cells.clip.first for z in seen]] = fine[:, 0].numpy()
    return planes
