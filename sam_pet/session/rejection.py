"""Which other lesion of a first answer goes with one that a stroke has rejected."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sam_pet.boxes import MaskBox
from sam_pet.session.state import Lesions
from sam_pet.settings import LesionSettings
from sam_pet.study import Study


def rejected_lesions(
    study: Study,
    before: Lesions,
    after: Lesions,
    drawn_on: Sequence[int],
    middle_mm: Callable[[], float] | None,
    settings: LesionSettings,
) -> set[int]:
    """The lesions that a stroke rejects: those of the first answer that it empties, and their like.

    Args:
        study: the study.
        before: the lesions before the stroke.
        after: those after it.
        drawn_on: the numbers of those that it was drawn on.
        middle_mm: where the midline is, see `is_contralateral`; None leaves look-alikes alone.
        settings: what a like of a lesion is.
    """
    found = {n: lesion for n, lesion in before.items() if n in after and lesion.found and not lesion.pointed_at}
    gone = {n for n in drawn_on if n in found and not after[n].block.values.any()}
    others = [n for n in found if n not in gone]
    if not gone or not others or middle_mm is None:
        return gone
    blocks, middle = {n: lesion.block for n, lesion in found.items()}, middle_mm()
    return gone | {
        n for n in others if any(is_contralateral(study, blocks[g], blocks[n], middle, settings) for g in gone)
    }


def is_contralateral(study: Study, one: MaskBox, other: MaskBox, middle_mm: float, settings: LesionSettings) -> bool:
    """Whether two masks lie on both sides of the midline, x = `middle_mm`, like kidneys or salivary glands."""
    spacing = np.asarray(study.frame_spacing)
    places = [block.voxels().mean(axis=0) * spacing for block in (one, other)]
    image = np.array([2 * middle_mm - places[0][0], *places[0][1:]])
    apart, one_side = np.linalg.norm(image - places[1]), (places[0][0] < middle_mm) == (places[1][0] < middle_mm)
    if apart > settings.mirror_mm or one_side:
        return False
    peaks = [float(study.axial_pet[block.slices][block.values].max()) for block in (one, other)]
    volumes = [int(block.values.sum()) for block in (one, other)]
    alike = max(peaks) <= settings.alike_uptake * min(peaks)
    return alike and max(volumes) <= settings.alike_volume * min(volumes)
