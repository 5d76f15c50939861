"""Candidates: places that are hotter than what surrounds them, by connected components on a ladder of thresholds.

The components at rising thresholds form a tree; each of its leaves is a peak, and how far the peak rises above the
level at which it joins a hotter one is its prominence. Work is done on blocks of about 4 mm, on those above the lowest
threshold alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import find_objects
from skimage.segmentation import watershed

from sam_pet.extent import bounding_box
from sam_pet.first_answer.blocks import Step, block_means, block_step
from sam_pet.first_answer.body import Body
from sam_pet.study import Study, Volume

Bools = npt.NDArray[np.bool_]
_BLOCK_MM = 3.6
# Below one and a half times the body's own uptake, and below what nobody marks, nothing is looked at.
_LOWEST_TO_BACKGROUND = 1.5
_LOWEST_SUV = 0.9
_STEP = 1.18
_PROMINENCE = 1.25
_MOST = 300
_PLATEAU = 0.6


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
        plateau_ml, plateau_suv: volume and hottest block of the widest component of which it is the hottest peak or, if
            wider, of that at 0.6 times its uptake: of a peak among many in a large organ or mass, those of the whole.
    """

    peak: tuple[int, int, int]
    suv: float
    prominence: float
    corner: tuple[int, int, int]
    basin: Bools
    joined_ml: float
    plateau_ml: float
    plateau_suv: float


def find_candidates(study: Study, body: Body) -> list[Candidate]:
    """The peaks of a study in the body, the hottest first."""
    step = block_step(study.frame_spacing, _BLOCK_MM)
    lowest = max(_LOWEST_SUV, _LOWEST_TO_BACKGROUND * body.background)
    box = _body_box(study, body, step)
    pet = block_means(study.axial_pet[box], step)
    peaks = _peaks(pet, lowest)
    if not peaks:
        return []
    markers = np.zeros(pet.shape, np.int32)
    for number, peak in enumerate(peaks, 1):
        markers[peak.place] = number
    basins = watershed(-pet, markers, mask=pet >= lowest)
    joined = cc3d.connected_components(pet >= lowest, connectivity=18)
    block_ml = study.grid.voxel_ml * float(np.prod(step))
    sizes = np.bincount(joined.ravel()) * block_ml
    origin = np.array([b.start for b in box], np.int64)
    found = []
    for number, region in enumerate(find_objects(basins), 1):
        if region is None:
            continue
        peak = peaks[number - 1]
        basin = basins[region] == number
        low = origin + np.array([r.start for r in region]) * step
        fine = _fine(basin, step)
        room = np.array(study.axial_pet.shape) - low
        fine = fine[: room[0], : room[1], : room[2]]
        found.append(
            Candidate(
                peak=_hottest_voxel(
                    study.axial_pet, origin + np.array(peak.place, np.int64) * np.array(step, np.int64), step
                ),
                suv=float(pet[peak.place]),
                prominence=peak.prominence,
                corner=(int(low[2]), int(low[1]), int(low[0])),
                basin=fine,
                joined_ml=float(sizes[joined[peak.place]]),
                plateau_ml=peak.plateau_blocks * block_ml,
                plateau_suv=peak.plateau_suv,
            )
        )
    return sorted(found, key=lambda c: -c.suv)


def _body_box(study: Study, body: Body, step: Step) -> tuple[slice, slice, slice]:
    """The part of the axial view that holds the body, starting at whole blocks."""
    coarse = bounding_box(body.outline)
    shape = study.axial_pet.shape
    if coarse is None:
        return slice(0, shape[0]), slice(0, shape[1]), slice(0, shape[2])
    slices = []
    for part, mm, size, count, length in zip(
        coarse, body.spacing[::-1], study.frame_spacing[::-1], step, shape, strict=True
    ):
        per_block = round(mm / size)
        start = part.start * per_block // count * count
        slices.append(slice(start, min(part.stop * per_block, length)))
    return slices[0], slices[1], slices[2]


@dataclass(frozen=True)
class _Peak:
    place: tuple[int, int, int]
    prominence: float
    plateau_blocks: int
    plateau_suv: float


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
                while level > 0 and levels[level] > _PLATEAU * values[k][i]:
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
