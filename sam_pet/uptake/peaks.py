"""Candidates: places that are hotter than what surrounds them, by connected components on a ladder of thresholds.

The components at rising thresholds form a tree; each of its leaves is a peak, and how far the peak rises above the
level at which it joins a hotter one is its prominence. Work is done on blocks of about 4 mm, on those above the lowest
threshold alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_dilation, find_objects
from skimage.segmentation import watershed

from sam_pet.boxes import Slices, bounding_box
from sam_pet.prompts import Voxels
from sam_pet.study import Study, Volume
from sam_pet.uptake.blocks import Step, block_means, block_step

Bools = npt.NDArray[np.bool_]
BLOCK_MM = 3.6
_STEP = 1.18
_PROMINENCE = 1.25
_MOST = 300
_PARENT_LEVEL = 0.6
# How far around a prompt peaks are sought, and above which part of the uptake there.
_NEAR_MM, _LOWEST_TO_PROMPT = 48.0, 0.25


@dataclass(frozen=True)
class Candidate:
    """A peak and its basin in the axial view.

    Attributes:
        peak: voxel (x, y, z) of the hottest block's hottest voxel.
        suv: mean SUV of the hottest block.
        prominence: `suv` over the level at which the peak joins a hotter one, or over the lowest threshold.
        corner: voxel (x, y, z) where `basin` begins.
        basin: voxels [z, y, x] that lead up to this peak rather than to another.
        joined_ml: volume of what it hangs together with at the lowest threshold.
        parent_ml, parent_suv: volume and hottest block of the widest component of which it is the hottest peak or, if
            wider, of that at 0.6 times its uptake: of a peak among many in a large organ or mass, those of the whole.
    """

    peak: tuple[int, int, int]
    suv: float
    prominence: float
    corner: tuple[int, int, int]
    basin: Bools
    joined_ml: float
    parent_ml: float
    parent_suv: float


def candidates_at(study: Study, voxels: Voxels) -> list[Candidate]:
    """What axial voxels (n, 3) may point at: the peak whose basin they lie in, and they themselves as a peak.

    Of several peaks the hottest with the basins of all. The second is for a lesion on the slope of something hotter; it
    is left out where voxels lie on the peak itself. Peaks are sought near the voxels, above a quarter of the hottest
    block there. Empty where nothing is taken up.
    """
    step = block_step(study.frame_spacing, BLOCK_MM)
    reach = np.ceil(_NEAR_MM / np.asarray(study.frame_spacing)).astype(np.int64)
    low = np.maximum(voxels.min(axis=0) - reach, 0)
    high = np.minimum(voxels.max(axis=0) + reach + 1, study.axial_pet.shape[::-1])
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
    pet = block_means(study.axial_pet[z, y, x], step)
    drawn = np.zeros(pet.shape, bool)
    drawn[tuple(((voxels - low)[:, ::-1] // step).T)] = True
    here, near = (_hottest_block(pet, where) for where in (drawn, binary_dilation(drawn, np.ones((3, 3, 3), bool))))
    found = []
    if pet[near] > 0:
        near_basins = PeakBasins.of(study, (z, y, x), step, _LOWEST_TO_PROMPT * float(pet[near]))
        drawn[near] = True
        numbers = np.unique(near_basins.basins[drawn & (near_basins.basins > 0)])
        if numbers.size:
            first = max(numbers.tolist(), key=lambda number: float(pet[near_basins.peaks[number - 1].place]))
            near_basins.basins[np.isin(near_basins.basins, numbers)] = first
            found.append(near_basins.candidate(first))
    if pet[here] > 0 and not (found and found[0].suv <= pet[here]):
        lowest = _LOWEST_TO_PROMPT * float(pet[here])
        own = _Peak(here, float(pet[here]) / lowest, 1, float(pet[here]))
        found.append(PeakBasins.of(study, (z, y, x), step, lowest, own).candidate(1))
    return found


def _hottest_block(pet: Volume, where: Bools) -> tuple[int, int, int]:
    z, y, x = np.unravel_index(int(np.where(where, pet, -np.inf).argmax()), pet.shape)
    return int(z), int(y), int(x)


@dataclass(frozen=True)
class _Peak:
    place: tuple[int, int, int]
    prominence: float
    parent_blocks: int
    parent_suv: float


@dataclass(frozen=True)
class PeakBasins:
    """A box of a study in blocks of `step` voxels: its peaks, and the number of the peak each block leads up to."""

    study: Study
    origin: npt.NDArray[np.int64]
    step: Step
    pet: Volume
    lowest: float
    peaks: list[_Peak]
    basins: npt.NDArray[np.int32]

    @classmethod
    def of(cls, study: Study, box: Slices, step: Step, lowest: float, *more: _Peak) -> PeakBasins:
        """The peaks of a box above a lowest uptake, after those that are given."""
        pet = block_means(study.axial_pet[box], step)
        peaks = [*more, *(peak for peak in _peaks(pet, lowest) if peak.place not in [known.place for known in more])]
        markers = np.zeros(pet.shape, np.int32)
        for number, peak in enumerate(peaks, 1):
            markers[peak.place] = number
        basins = watershed(-pet, markers, mask=pet >= lowest) if peaks else markers
        origin = np.array([b.start for b in box], np.int64)
        return cls(study, origin, step, pet, lowest, peaks, basins)

    def candidates(self) -> Iterator[Candidate]:
        for number, region in enumerate(self._regions, 1):
            if region is not None:
                yield self.candidate(number)

    def candidate(self, number: int) -> Candidate:
        """The candidate of a peak that has a basin."""
        region, peak, volume = self._regions[number - 1], self.peaks[number - 1], self.study.axial_pet
        step = np.array(self.step, np.int64)
        low = self.origin + np.array([r.start for r in region]) * step
        room = np.array(volume.shape) - low
        basin = _fine(self.basins[region] == number, self.step)[: room[0], : room[1], : room[2]]
        return Candidate(
            peak=_hottest_voxel(volume, self.origin + np.array(peak.place, np.int64) * step, self.step),
            suv=float(self.pet[peak.place]),
            prominence=peak.prominence,
            corner=(int(low[2]), int(low[1]), int(low[0])),
            basin=basin,
            joined_ml=float(self._joined_ml[peak.place]),
            parent_ml=peak.parent_blocks * self._block_ml,
            parent_suv=peak.parent_suv,
        )

    @cached_property
    def _regions(self) -> list[Slices]:
        # One for each axis of the basins, which have three.
        return cast("list[Slices]", find_objects(self.basins))

    @cached_property
    def _joined_ml(self) -> npt.NDArray[np.floating[Any]]:
        """At each block, the volume of what it hangs together with."""
        joined = cc3d.connected_components(self.pet >= self.lowest, connectivity=18)
        sizes: npt.NDArray[np.floating[Any]] = np.bincount(joined.ravel()) * self._block_ml
        joined_ml: npt.NDArray[np.floating[Any]] = sizes[joined]
        return joined_ml

    @property
    def _block_ml(self) -> float:
        return self.study.grid.voxel_ml * float(np.prod(self.step))


def _peaks(pet: Volume, lowest: float) -> list[_Peak]:
    """The peaks, their places as blocks [z, y, x], at most `_MOST`: the hot ones that rise far."""
    top = float(pet.max(initial=0.0))
    if top < lowest:
        return []
    levels = lowest * _STEP ** np.arange(int(np.log(top / lowest) / np.log(_STEP)) + 1)
    # Of each component of the level below: its peak's value and place. The hottest child passes the peak on.
    parents: list[npt.NDArray[np.int64]] = []
    values: list[npt.NDArray[np.float32]] = []
    places: list[npt.NDArray[np.int64]] = []
    sizes: list[npt.NDArray[np.int64]] = []
    previous: npt.NDArray[np.integer] | None = None
    region = (slice(0, pet.shape[0]), slice(0, pet.shape[1]), slice(0, pet.shape[2]))
    for level in levels:
        mask = pet[region] >= level
        inner = bounding_box(mask)
        if inner is None:
            break
        mask = np.ascontiguousarray(mask[inner])
        if previous is not None:
            previous = previous[inner]
        z, y, x = (slice(r.start + i.start, r.start + i.stop) for r, i in zip(region, inner, strict=True))
        region = (z, y, x)
        labels = cc3d.connected_components(mask, connectivity=18)
        at = np.flatnonzero(labels)
        flat = labels.ravel()[at]
        uptake = pet[region].ravel()[at]
        order = np.lexsort((uptake, flat))
        last = np.flatnonzero(np.diff(flat[order], append=flat.max() + 1))
        hottest = at[order[last]]
        values.append(uptake[order[last]])
        sizes.append(np.diff(last, prepend=-1))
        starts = np.array([r.start for r in region], np.int64)
        places.append(np.stack(np.unravel_index(hottest, labels.shape), axis=1).astype(np.int64) + starts)
        parents.append(
            np.zeros(len(hottest), np.int64) if previous is None else previous.ravel()[hottest].astype(np.int64) - 1
        )
        previous = labels
    found = _prominent(levels, parents, values, places, sizes)
    return sorted(found, key=lambda p: -p.prominence * float(pet[p.place]))[:_MOST]


def _prominent(
    levels: npt.NDArray[np.floating[Any]],
    parents: list[npt.NDArray[np.int64]],
    values: list[npt.NDArray[np.float32]],
    places: list[npt.NDArray[np.int64]],
    sizes: list[npt.NDArray[np.int64]],
) -> list[_Peak]:
    """Each peak ends at the highest level where its component is not its parent's hottest child."""
    found = []
    for k in range(len(parents)):
        if k == 0:
            ends = np.ones(len(parents[0]), bool)
        else:
            ends = values[k] < values[k - 1][parents[k]]
            # Of equal peaks in one parent the first goes on.
            same = np.flatnonzero(~ends)
            _, first = np.unique(parents[k][same], return_index=True)
            ends[np.setdiff1d(same, same[first])] = True
        joined_at = levels[max(k - 1, 0)]
        for i in np.flatnonzero(ends):
            prominence = float(values[k][i] / joined_at)
            if prominence >= _PROMINENCE:
                z, y, x = places[k][i].tolist()
                level, node = k, int(i)
                while level > 0 and levels[level] > _PARENT_LEVEL * values[k][i]:
                    node = int(parents[level][node])
                    level -= 1
                found.append(_Peak((z, y, x), prominence, int(sizes[level][node]), float(values[level][node])))
    return found


def _fine(mask: Bools, step: Step) -> Bools:
    for axis, count in enumerate(step):
        if count > 1:
            mask = np.repeat(mask, count, axis=axis)
    return mask


def _hottest_voxel(pet: Volume, low: npt.NDArray[np.int64], step: Step) -> tuple[int, int, int]:
    block = pet[tuple(slice(int(a), int(a) + n) for a, n in zip(low, step, strict=True))]
    z, y, x = np.array(np.unravel_index(int(block.argmax()), block.shape)) + low
    return int(x), int(y), int(z)
