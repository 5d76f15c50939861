"""Corrections: the outline of a lesion after a stroke, the best of the proposed ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from sam_pet.prompts import Voxels
from sam_pet.proposers.lesion import Lesion, shown_mask
from sam_pet.proposers.outlines import Proposers
from sam_pet.proposers.revisions import Revised, revised
from sam_pet.settings import DEFAULTS, StrokeSettings
from sam_pet.study import Study

if TYPE_CHECKING:
    from sam_pet.proposers.stroke_ranker import StrokeRanker


@dataclass(frozen=True)
class Corrections:
    """Corrects the lesions of one study.

    Attributes:
        proposers: what answers to strokes.
        ranker: expects the Dice of outlines after a stroke; without one it is the corrected one.
        settings: what a stroke changes.
    """

    proposers: Proposers
    ranker: StrokeRanker | None = None
    settings: StrokeSettings = DEFAULTS.strokes

    @property
    def study(self) -> Study:
        return self.proposers.sam2.study

    def refined(self, lesion: Lesion, background: Voxels) -> Lesion:
        """The lesion as the networks show it with all its strokes."""
        if self.proposers.refiner is None or not lesion.bank.conditioning:
            return lesion
        return replace(
            lesion, block=shown_mask(self.proposers.logits(lesion, background), lesion.prompts, background).trimmed()
        )

    def corrected(self, old: Lesion, new: Lesion, background: Voxels) -> Lesion:
        """The new lesion, shown a stroke, with the outline that is expected to fit best; none if it is no lesion."""
        revisions = self.revisions(old, new, background)
        if revisions is None:
            return self.refined(new, background)
        return revisions.taken(revisions.corrected if self.ranker is None else self.ranker.best(self.study, revisions))

    def revisions(self, old: Lesion, new: Lesion, background: Voxels) -> Revised | None:
        """The outlines that a lesion may have after a stroke; None where there is none to go on from."""
        if not old.block.values.any() or not new.bank.conditioning:
            return None
        new = replace(old, prompts=new.prompts, clip=new.clip, bank=new.bank, block=new.block, score=new.score)
        field = self.proposers.logits(new, background)
        return revised(self.study, old, new, background, field, self.settings)
