"""The candidates of a study: the peaks in its body."""

from __future__ import annotations

from sam_pet.boxes import Slices, bounding_box
from sam_pet.detection.body import Body
from sam_pet.study import Study
from sam_pet.uptake.blocks import Step, block_step
from sam_pet.uptake.peaks import BLOCK_MM, Candidate, PeakBasins

# Below one and a half times the body's own uptake, and below what nobody marks, nothing is a candidate.
_LOWEST_TO_BACKGROUND = 1.5
_LOWEST_SUV = 0.9


def find_peaks(study: Study, body: Body) -> list[Candidate]:
    """The peaks of a study in the body, the hottest first."""
    step = block_step(study.frame_spacing, BLOCK_MM)
    lowest = max(_LOWEST_SUV, _LOWEST_TO_BACKGROUND * body.background)
    basins = PeakBasins.of(study, _body_box(study, body, step), step, lowest)
    return sorted(basins.candidates(), key=lambda c: -c.suv)


def _body_box(study: Study, body: Body, step: Step) -> Slices:
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
