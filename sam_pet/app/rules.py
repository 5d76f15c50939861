"""Outlines and preselections by the rules that departments follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt

from sam_pet.boxes import bounding_box
from sam_pet.labels import Labels
from sam_pet.measures import suv_peak
from sam_pet.methods.liver import percist
from sam_pet.methods.threshold import Level, fixed, fraction_of_max, region_growing
from sam_pet.prompts import Voxels
from sam_pet.readers.stroke import Stroke
from sam_pet.study import Study
from sam_pet.uptake.peaks import candidates_at
from sam_pet.uptake.regions import crop_candidate

MODEL = "model"
_HALF = 0.5
# Regions hang together through faces, edges and corners, as in the methods of the same names.
_CONNECTIVITY = 26


def adaptive_half_of_peak(study: Study, stroke: Stroke) -> float:
    """A50P: half way from the surroundings of the spot that a stroke points at to its SUVpeak.

    SUVpeak is taken in the region above 41 % of the hottest voxel; the surroundings are the median SUV 6 to 14 mm off.
    """
    mask = region_growing(fraction_of_max(0.41))(study, [stroke])
    window = bounding_box(mask)
    regions = [
        crop_candidate(study, candidate) for candidate in candidates_at(study, study.order.voxels(stroke.voxels))
    ]
    around = regions[0].around if regions else 0.0
    if window is None:
        return float("inf")
    wide = tuple(slice(max(s.start - 16, 0), s.stop + 16) for s in window)
    return around + _HALF * (suv_peak(mask[wide], study.pet[wide], study.grid.spacing) - around)


@dataclass(frozen=True)
class OutlineRule:
    """A rule for the outline of one click: the region connected to it above a level."""

    title: str
    level: Level


OUTLINES = {
    "41%": OutlineRule("41 % of SUVmax", fraction_of_max(0.41)),
    "A50P": OutlineRule("A50P: half way to SUVpeak", adaptive_half_of_peak),
    "SUV4": OutlineRule("SUV 4", fixed(4.0)),
    "SUV2.5": OutlineRule("SUV 2.5", fixed(2.5)),
    "liver": OutlineRule("liver: 1.5 x mean + 2 SD", percist),
}
# In the order in which one key goes through them.
RULES = (MODEL, *OUTLINES)


def outline(study: Study, stroke: Stroke, rule: str, labels: Labels, lesion: int) -> tuple[Voxels, float]:
    """The voxels (n, 3) of a rule's outline, less those of other lesions, and its level in SUV."""
    level = OUTLINES[rule].level(study, stroke)
    mask = region_growing(lambda *_: level)(study, [stroke])
    mask &= (labels == 0) | (labels == lesion)
    return np.argwhere(mask)[:, ::-1], level


@dataclass(frozen=True)
class PreselectRule:
    """A rule for all of a study: what lies above a level and is large enough."""

    title: str
    suv: Callable[[Study], float]
    min_ml: float


def _liver_level(study: Study) -> float:
    # The level is the study's, whatever the stroke.
    return percist(study, Stroke("tumor", np.zeros((1, 3), np.int64), "click"))


PRESELECT = {
    "SUV4": PreselectRule("SUV >= 4, 3 mL or more", lambda _: 4.0, 3.0),
    "PERCIST": PreselectRule("PERCIST: above 1.5 x liver mean + 2 SD, 1 mL or more", _liver_level, 1.0),
}


def regions(study: Study, suv: float, min_ml: float, taken: npt.NDArray[np.bool_]) -> list[Voxels]:
    """The regions at or above an SUV, the largest first, that are large enough and touch nothing taken."""
    above = study.pet >= suv
    window = bounding_box(above)
    if window is None:
        return []
    found = cc3d.connected_components(np.ascontiguousarray(above[window]), connectivity=_CONNECTIVITY)
    sizes = np.bincount(found.ravel())
    sizes[0] = 0
    sizes[np.unique(found[taken[window]])] = 0
    wanted = np.flatnonzero(sizes * study.grid.voxel_ml >= max(min_ml, study.grid.voxel_ml))
    corner = np.array([s.start for s in window])
    ordered = sorted(wanted.tolist(), key=lambda number: -int(sizes[number]))
    boxes = cc3d.statistics(found)["bounding_boxes"]
    parts = []
    for number in ordered:
        box = boxes[number]
        start = corner + [s.start for s in box]
        parts.append((np.argwhere(found[box] == number) + start)[:, ::-1])
    return parts
