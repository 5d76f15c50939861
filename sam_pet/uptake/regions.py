"""The extent of a candidate: what lies above a part of the way from its surroundings to its peak."""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt

from sam_pet.boxes import bounding_box
from sam_pet.study import Study, Volume
from sam_pet.uptake.peaks import Candidate

Bools = npt.NDArray[np.bool_]
# Wide enough for the surroundings of the widest point spread.
_MARGIN_MM = 15.0
_SHELL_MM = (6.0, 14.0)
_HALF = 0.5
STANDARD = 0.42


@dataclass(frozen=True)
class CandidateRegion:
    """A candidate with what is around it, axial.

    Attributes:
        candidate: the candidate.
        corner: voxel (x, y, z) where the arrays begin.
        pet, ct: the arrays [z, y, x] there; `ct` None without CT.
        basin: its basin in them.
        around: median SUV 6 to 14 mm off its upper half, other peaks left out.
        away: mm from its upper half, infinite from 14 mm on.
    """

    candidate: Candidate
    corner: tuple[int, int, int]
    pet: Volume
    ct: Volume | None
    basin: Bools
    around: float
    away: Volume

    @property
    def window(self) -> tuple[slice, slice, slice]:
        z, y, x = (slice(c, c + n) for c, n in zip(self.corner[::-1], self.pet.shape, strict=True))
        return z, y, x

    def level(self, fraction: float) -> float:
        """The SUV that lies this fraction of the way up from the surroundings to the peak."""
        return self.around + fraction * (self.candidate.suv - self.around)

    def mask(self, fraction: float = STANDARD) -> Bools:
        """The voxels of the basin above `level` that hang together (18 neighbours) with the peak."""
        return connected(self.basin & (self.pet >= self.level(fraction)), self._peak)

    @property
    def _peak(self) -> tuple[int, int, int]:
        x, y, z = (p - c for p, c in zip(self.candidate.peak, self.corner, strict=True))
        return z, y, x


def crop_candidate(study: Study, candidate: Candidate) -> CandidateRegion:
    """Cut a candidate and its surroundings out of a study."""
    spacing = np.asarray(study.frame_spacing[::-1])
    margin = np.ceil(_MARGIN_MM / spacing).astype(int)
    corner = np.asarray(candidate.corner[::-1])
    # Of a wide basin, a liver's say, only what lies above half of the peak and near it is needed.
    x, y, z = candidate.peak
    peak = np.array([z, y, x])
    hot = candidate.basin & (study.axial_pet[_window(corner, candidate.basin.shape)] >= 0.3 * candidate.suv)
    found = bounding_box(connected(hot, tuple(peak - corner)))
    assert found is not None  # the peak is always in it
    inner_low = corner + [part.start for part in found]
    inner_high = corner + [part.stop for part in found]
    low = np.maximum(np.minimum(inner_low, peak) - margin, 0)
    high = np.minimum(np.maximum(inner_high, peak + 1) + margin, study.axial_pet.shape)
    window = _window(low, high - low)
    pet = np.ascontiguousarray(study.axial_pet[window])
    basin = np.zeros(pet.shape, bool)
    shared_low, shared_high = np.maximum(low, corner), np.minimum(high, corner + candidate.basin.shape)
    basin[_window(shared_low - low, shared_high - shared_low)] = candidate.basin[
        _window(shared_low - corner, shared_high - shared_low)
    ]
    place = tuple(int(v) for v in peak - low)
    half = connected(basin & (pet >= _HALF * float(pet[place])), place)
    away = _distance(half, spacing, _SHELL_MM[1])
    shell = (away > _SHELL_MM[0]) & (away < _SHELL_MM[1]) & (pet < 0.6 * candidate.suv)
    return CandidateRegion(
        candidate=candidate,
        corner=(int(low[2]), int(low[1]), int(low[0])),
        pet=pet,
        ct=None if study.axial_ct is None else np.ascontiguousarray(study.axial_ct[window]),
        basin=basin,
        around=float(np.median(pet[shell])) if shell.any() else 0.0,
        away=away,
    )


def _window(low: npt.NDArray[np.int64], size: npt.ArrayLike) -> tuple[slice, slice, slice]:
    z, y, x = (slice(int(a), int(a) + int(n)) for a, n in zip(low, np.asarray(size), strict=True))
    return z, y, x


def _distance(mask: Bools, spacing: npt.NDArray[np.float64], most: float) -> Volume:
    """How far each voxel is from a mask in mm, infinite from `most` on; `spacing` is [z, y, x].

    Axis by axis (Felzenszwalb and Huttenlocher 2012), within the few voxels that count.
    """
    box = bounding_box(mask)
    squares = np.full(mask.shape, np.inf)
    squares[mask] = 0.0
    if box is not None:
        for axis, mm in enumerate(spacing.tolist()):
            # Beside the mask's box along the axes to come there is nothing yet.
            known = np.moveaxis(squares[(slice(None),) * (axis + 1) + box[axis + 1 :]], axis, 0)
            before, sums = known.copy(), np.empty_like(known)
            for steps in range(1, min(int(most / mm) + 1, len(known))):
                farther = np.add(before, (steps * mm) ** 2, out=sums)
                np.minimum(known[steps:], farther[:-steps], out=known[steps:])
                np.minimum(known[:-steps], farther[steps:], out=known[:-steps])
    squares[squares >= most**2] = np.inf
    distances: Volume = np.sqrt(squares).astype(np.float32)
    return distances


def connected(mask: Bools, place: tuple[int, ...]) -> Bools:
    """The component of a mask at a place, which belongs to it in any case."""
    mask[place] = True
    labels = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=18)
    component: Bools = labels == labels[place]
    return component
