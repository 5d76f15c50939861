"""The one-click tool of viewers: of all thresholds round the hottest voxel near a click, the most stable region.

A region that grows little while the threshold falls has an edge. One that reaches the end of the search window runs
into something else, and one that fills little of the ellipsoid of its own moments is a tree or a net and no lesion:
both are refused, and so is every region below such a one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cc3d
import numpy as np

from sam_pet.boxes import Slices
from sam_pet.methods.method import Bools, drawn
from sam_pet.methods.near import hottest
from sam_pet.readers.stroke import Stroke
from sam_pet.study import Study

# Fractions of the hottest voxel's SUV, from the core outwards.
_LEVELS = np.arange(0.80, 0.145, -0.025)
# A region that reaches so far from the hottest voxel does not end.
_REACH_MM = 100.0
# Of the ellipsoid with the same second moments; a full one has 1.
_LEAST_FILLED = 0.5
_SMALLEST_VOXELS = 2


@dataclass(frozen=True)
class _Region:
    inside: Bools
    voxels: int


def most_stable(study: Study, strokes: Sequence[Stroke]) -> Bools:
    """The union of the most stable regions round every tumor stroke, bool [z, y, x].

    A stroke with no region that is compact and ends adds nothing. Voxels drawn as background are walls.
    """
    walls = drawn(study.grid.shape, strokes) < 0
    mask = np.zeros(study.grid.shape, bool)
    for stroke in strokes:
        if stroke.label == "tumor":
            peak, suv = hottest(study, stroke)
            window = _window(study, peak)
            best = _best(list(_regions(study, window, peak, suv, walls)))
            if best is not None:
                mask[window] |= best.inside
    return mask


def _window(study: Study, peak: tuple[int, int, int]) -> Slices:
    reach = [int(np.ceil(_REACH_MM / s)) for s in study.grid.spacing[::-1]]
    z, y, x = (slice(max(i - r, 0), min(i + r + 1, n)) for i, r, n in zip(peak, reach, study.grid.shape, strict=True))
    return z, y, x


def _regions(study: Study, window: Slices, peak: tuple[int, int, int], suv: float, walls: Bools) -> Iterator[_Region]:
    """The regions of falling thresholds that hold the peak, up to the first that is refused."""
    pet, closed = study.pet[window], walls[window]
    at = tuple(i - part.start for i, part in zip(peak, window, strict=True))
    if suv <= 0 or closed[at]:
        return
    for level in _LEVELS:
        labels = cc3d.connected_components((pet >= level * suv) & ~closed, connectivity=18)
        inside = labels == labels[at]
        voxels = int(np.count_nonzero(inside))
        if voxels < _SMALLEST_VOXELS:
            continue
        if not (_ends(inside, window, study.grid.shape) and _filled(inside, study.grid.spacing[::-1]) > _LEAST_FILLED):
            return
        yield _Region(inside, voxels)


def _ends(inside: Bools, window: Slices, shape: tuple[int, ...]) -> bool:
    """Whether the region stays clear of the window's faces; the scan's own end is an end."""
    for axis, (part, size) in enumerate(zip(window, shape, strict=True)):
        faces = np.moveaxis(inside, axis, 0)
        if (part.start > 0 and faces[0].any()) or (part.stop < size and faces[-1].any()):
            return False
    return True


def _filled(inside: Bools, step: Sequence[float]) -> float:
    """The region's volume as a part of that of the ellipsoid with its second moments."""
    places = np.argwhere(inside) * np.asarray(step)
    # A voxel is a box and no point.
    moments = np.cov(places.T, bias=True) + np.diag(np.square(step) / 12)
    ellipsoid = 4 / 3 * np.pi * 5**1.5 * np.sqrt(np.linalg.det(moments))
    return float(len(places) * np.prod(step) / ellipsoid)


def _best(regions: Sequence[_Region]) -> _Region | None:
    """That whose volume changes least, as a part of its own, between the thresholds above and below."""
    if len(regions) < 3:
        return regions[-1] if regions else None
    volumes = np.array([region.voxels for region in regions], float)
    change = (volumes[2:] - volumes[:-2]) / volumes[1:-1]
    return regions[1 + int(change.argmin())]
