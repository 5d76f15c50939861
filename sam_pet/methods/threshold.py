"""PET thresholds: the region above an SUV that is connected to a stroke."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cc3d
import numpy as np

from sam_pet.boxes import bounding_box
from sam_pet.methods.method import Bools, Segment, drawn
from sam_pet.methods.near import hottest, seeds
from sam_pet.readers.stroke import Stroke
from sam_pet.study import Study

# The SUV from which on a voxel belongs to the lesion of a stroke.
Level = Callable[[Study, Stroke], float]


def fraction_of_max(fraction: float) -> Level:
    """A part of the SUVmax near the stroke (see `hottest`)."""
    return lambda study, stroke: fraction * hottest(study, stroke)[1]


def fixed(suv: float) -> Level:
    """The same SUV everywhere."""
    return lambda *_: suv


def region_growing(level: Level) -> Segment:
    """From each tumor stroke, and the hottest voxel near it, the 26-connected region above its level.

    Voxels drawn as background are walls: what they cut off is left out.
    """

    def segment(study: Study, strokes: Sequence[Stroke]) -> Bools:
        walls = drawn(study.grid.shape, strokes) < 0
        mask = np.zeros(study.grid.shape, bool)
        for stroke in strokes:
            if stroke.label == "tumor":
                _grow(mask, study, stroke, level(study, stroke), walls)
        return mask

    return segment


def _grow(mask: Bools, study: Study, stroke: Stroke, suv: float, walls: Bools) -> None:
    above = (study.pet >= suv) & ~walls
    window = bounding_box(above)
    if window is None:
        return
    labels = cc3d.connected_components(np.ascontiguousarray(above[window]), connectivity=26)
    starts = np.concatenate([seeds(study, stroke), [hottest(study, stroke)[0]]])
    local = starts - [part.start for part in window]
    local = local[((local >= 0) & (local < labels.shape)).all(axis=1)]
    wanted = np.setdiff1d(labels[tuple(local.T)], [0])
    mask[window] |= np.isin(labels, wanted)
