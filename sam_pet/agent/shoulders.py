"""Shoulders: thick uptake beside a lesion's mask that is nearer to the lesion's own than to what is around it."""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from sam_pet.geometry import Voxel
from sam_pet.labels import lesion_boxes
from sam_pet.prompts import Voxels
from sam_pet.readers.regions import largest_cross_section
from sam_pet.readers.scribbles import CHALLENGE_SEED, centerline
from sam_pet.study import Study

_LEAST_ML = 3.0
_REACH_MM = 24.0
_AROUND_MM = (12.0, 28.0)
_HALF = 0.5
# What is cooler than this times its surroundings has no uptake to compare with.
_CONTRAST = 1.2


@dataclass(frozen=True)
class Shoulder:
    """The largest piece of uptake beside a lesion: its volume and the lesion's, how deep it is, and a stroke in it.

    `depth_mm` is the radius of the largest ball in it: the rim that the scanner blurs is thinner. `mask` [z, y, x] is
    the piece itself, from the stored voxel (x, y, z) `corner` on.
    """

    lesion: int
    volume_ml: float
    lesion_ml: float
    depth_mm: float
    stroke: Voxels
    mask: npt.NDArray[np.bool_]
    corner: Voxel

    def holds(self, voxel: Voxel) -> bool:
        """Whether a stored voxel lies in it."""
        x, y, z = (v - c for v, c in zip(voxel, self.corner, strict=True))
        nz, ny, nx = self.mask.shape
        return 0 <= x < nx and 0 <= y < ny and 0 <= z < nz and bool(self.mask[z, y, x])


def find_shoulders(study: Study, labels: npt.NDArray[np.uint16]) -> list[Shoulder]:
    """The shoulder of each lesion of at least 3 mL that has one.

    Args:
        study: the study.
        labels: lesion numbers [z, y, x] on the stored grid.
    """
    spacing = study.grid.spacing[::-1]
    margin = [int(np.ceil(_AROUND_MM[1] / step)) for step in spacing]
    found = []
    for number, part in lesion_boxes(labels).items():
        lesion_ml = float((labels[part] == number).sum() * study.grid.voxel_ml)
        if lesion_ml < _LEAST_ML:
            continue
        box = tuple(slice(max(s.start - m, 0), s.stop + m) for s, m in zip(part, margin, strict=True))
        mask, pet = labels[box] == number, study.pet[box]
        others = (labels[box] > 0) & ~mask
        away = distance_transform_edt(~mask, sampling=spacing)
        around = (away > _AROUND_MM[0]) & (away < _AROUND_MM[1]) & ~others
        if not around.any():
            continue
        inside, outside = float(np.median(pet[mask])), float(np.median(pet[around]))
        if inside < _CONTRAST * outside:
            continue
        hot = ~mask & ~others & (away <= _REACH_MM) & (pet >= outside + _HALF * (inside - outside))
        pieces = cc3d.connected_components(hot.astype(np.uint8), connectivity=6)
        sizes = np.bincount(pieces.ravel())[1:]
        if not sizes.size:
            continue
        piece = pieces == int(sizes.argmax()) + 1
        depth = distance_transform_edt(np.pad(piece, 1), sampling=spacing).max()
        section = largest_cross_section(piece)
        assert section is not None
        drawn = section.voxels(centerline(section.mask, CHALLENGE_SEED))
        z, y, x = (s.start for s in box)
        volume = float(sizes.max() * study.grid.voxel_ml)
        found.append(Shoulder(number, volume, lesion_ml, float(depth), drawn + np.array([x, y, z]), piece, (x, y, z)))
    return found
