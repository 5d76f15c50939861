"""What paint makes of lesions: voxels go in and out of masks as they are, and no model is run."""

from __future__ import annotations

import numpy as np

from sam_pet.prompts import Paint, paint
from sam_pet.proposers.lesion import Lesion
from sam_pet.session.engine import LesionSegmenter
from sam_pet.session.state import Entry, Lesions
from sam_pet.study import Study


def painted(tracker: LesionSegmenter, lesions: Lesions, entry: Entry) -> Lesions:
    """The lesions after an entry of paint: what is painted as one is no other's, and a mask that is gone is dropped."""
    voxels = tracker.study.order.voxels(entry.prompt.voxels)
    after = dict(lesions)
    loses = set(entry.lesions) if entry.prompt.label == "background" else set(lesions) - set(entry.lesions)
    for number in loses & set(after):
        rest = tracker.erased(after[number], voxels)
        if rest is None:
            del after[number]
        else:
            after[number] = rest
    if entry.prompt.label == "tumor":
        for number in entry.lesions:
            after[number] = tracker.painted(after.get(number), voxels)
    return after


def redrawn(study: Study, lesion: Lesion | None, wanted: Paint) -> list[Paint]:
    """What to paint so that the mask of a lesion holds the `wanted` voxels alone."""
    had = np.zeros((0, 3), np.int64) if lesion is None else study.order.stored(lesion.block.voxels())
    inside = np.zeros(study.grid.shape, bool)
    inside[tuple(wanted.voxels.T[::-1])] = True
    surplus = had[~inside[tuple(had.T[::-1])]]
    return [wanted, paint(surplus, "background")] if len(surplus) else [wanted]
