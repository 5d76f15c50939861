"""Corrections: the outline of a lesion after a stroke, the best of the proposed ones."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sam_pet.prompts import Voxels
from sam_pet.proposers.lesion import Lesion, shown_mask
from sam_pet.proposers.outlines import Proposers
from sam_pet.proposers.ranker import OutlineRanker, after_stroke
from sam_pet.proposers.revisions import Revised, revised
from sam_pet.settings import DEFAULTS, StrokeSettings
from sam_pet.study import Study


@dataclass(frozen=True)
class Corrections:
    """Corrects the lesions of one study.

    Attributes:
        proposers: what answers to strokes.
        ranker: expects the Dice of outlines after a stroke; without one it is the corrected one.
        settings: what a stroke changes.
    """

    proposers: Proposers
    ranker: OutlineRanker | None = None
    settings: StrokeSettings = DEFAULTS.strokes

    @property
    def study(self) -> Study:
        return self.proposers.sam2.study

    def shown(self, lesion: Lesion, background: Voxels) -> Lesion:
        """The lesion as the networks show it with all its strokes."""
        if self.proposers.contour is None or not lesion.bank.conditioning:
            return lesion
        return replace(
            lesion, block=shown_mask(self.proposers.logits(lesion, background), lesion.prompts, background).trimmed()
        )

    def corrected(self, old: Lesion, new: Lesion, background: Voxels) -> Lesion:
        """The new lesion, shown a stroke, with the outline that is expected to fit best; none if it is no lesion."""
        revisions = self.revisions(old, new, background)
        if revisions is None:
            return self.shown(new, background)
        if self.ranker is None:
            return revisions.taken(revisions.corrected)
        number, expected = self.ranker.best(after_stroke(self.study, revisions))
        return revisions.taken(revisions.revisions[number], expected)

    def revisions(self, old: Lesion, new: Lesion, background: Voxels) -> Revised | None:
        """The outlines that a lesion may have after a stroke; None where there is none to go on from."""
        if not old.block.values.any() or not new.bank.conditioning:
            return None
        new = replace(old, prompts=new.prompts, clip=new.clip, bank=new.bank, block=new.block, score=new.score)
        field = self.proposers.logits(new, background, standing=old.block)
        return revised(self.study, old, new, background, field, self.settings)
