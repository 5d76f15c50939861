"""The region of uptake that a pointer is on: what a click there would be about."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sam_pet.boxes import Slices, bounding_box
from sam_pet.prompts import Voxels
from sam_pet.study import Study
from sam_pet.uptake.peaks import candidates_at
from sam_pet.uptake.regions import STANDARD, connected, crop_candidate

Bools = npt.NDArray[np.bool_]
_FRACTION = 0.41
# What reaches farther than this is no lesion but the body.
_REACH_MM = 150.0


def region_at(study: Study, voxel: Voxels) -> tuple[Slices, Bools] | None:
    """The box, axial, and the voxels [z, y, x] in it of the region of uptake that holds an axial voxel (1, 3).

    It is what hangs together with the voxel above 41 % of the peak near it, or above its own uptake where that is less.
    Where that is most of the body, it is the part that leads up to the voxel alone. None where nothing is taken up.
    """
    candidates = candidates_at(study, voxel)
    if not candidates:
        return None
    at = voxel[0, ::-1]
    suv = float(study.axial_pet[tuple(at)])
    reach = np.ceil(_REACH_MM / np.asarray(study.frame_spacing[::-1])).astype(np.int64)
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, study.axial_pet.shape)
    mask = connected(study.axial_pet[_box(low, high)] >= min(_FRACTION * candidates[0].suv, suv), tuple(at - low))
    found = bounding_box(mask)
    assert found is not None
    if any(s.start <= at_ - r or s.stop > at_ + r for s, at_, r in zip(_moved(found, low), at, reach, strict=True)):
        region = crop_candidate(study, candidates[-1])
        low = np.asarray(region.corner[::-1])
        mask = connected(region.basin & (region.pet >= min(region.level(STANDARD), suv)), tuple(at - low))
        found = bounding_box(mask)
        assert found is not None
    return _moved(found, low), mask[found]


def _moved(box: Slices, by: npt.NDArray[np.int64]) -> Slices:
    z, y, x = (slice(s.start + int(b), s.stop + int(b)) for s, b in zip(box, by, strict=True))
    return z, y, x


def _box(low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]) -> Slices:
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return z, y, x
