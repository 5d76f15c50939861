"""What a stroke makes of a lesion's mask: of what the proposers answer, the part that the stroke speaks of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sam_pet.boxes import LOGIT_LIMIT, Block
from sam_pet.prompts import Box, Prompt, Scribble, Voxels
from sam_pet.proposers.lesion import Lesion, cut_off, drawn_voxels, obey, shown_mask
from sam_pet.proposers.outlines import Proposers
from sam_pet.session.stroke_rules import changed, hotter, weighed, within_reach
from sam_pet.study import Study

if TYPE_CHECKING:
    from sam_pet.proposers.ranker import Chooser

Bools = npt.NDArray[np.bool_]
# An outline of which less is expected may have run into anything: not all that its stroke can reach is believed then.
_SURE = 0.5


@dataclass(frozen=True)
class Corrections:
    """Corrects the lesions of one study.

    Attributes:
        proposers: what answers to strokes.
        chooser: expects the Dice of outlines, where there is one.
    """

    proposers: Proposers
    chooser: Chooser | None = None

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

    def corrected(self, old: Lesion, new: Lesion, prompt: Prompt, background: Voxels) -> Lesion:
        """The new lesion with the old one's mask, but for what the prompt changes in it."""
        if not old.block.values.any() or not new.bank.conditioning:
            return self.refined(new, background)
        standing = old.block.voxels()
        new = replace(new, of_uptake=old.of_uptake, contour_mm=old.contour_mm)
        field = self.proposers.logits(new, background).widened(np.concatenate([standing, prompt.voxels]))
        block = Block(field.corner, np.zeros(field.values.shape, bool))
        block.values[block.rows(standing)] = True
        logits = field.values
        if new.contour_mm is None:
            logits = weighed(self.study, field, drawn_voxels(new.prompts), background)
        reach = within_reach(
            self.study, prompt.voxels, prompt.label, field.corner, logits.shape, of_uptake=old.of_uptake
        )  # fmt: skip
        if prompt.label == "background" and old.of_uptake:
            doubted = self._doubted(block, new, prompt.voxels)
            reach |= doubted
            # Without a contour network nothing else speaks against a mask that the model may have shown itself.
            if self.proposers.contour is None:
                logits = np.where(doubted, np.float32(-LOGIT_LIMIT), logits)
        after = Block(field.corner, changed(block.values, logits, block.rows(prompt.voxels), prompt.label, reach))
        cut_off(after, block.values, new.prompts, background, logits > 0 if new.by_network else None)
        return replace(new, block=after.trimmed())

    def bounded(self, lesion: Lesion, background: Voxels) -> Lesion:
        """A new lesion within the reach of the stroke that starts it."""
        block, stroke = lesion.block, lesion.prompts[0]
        if not isinstance(stroke, Scribble):
            return lesion
        sure = not lesion.expected < _SURE
        reach = within_reach(self.study, stroke.voxels, "tumor", block.corner, block.values.shape, fresh=sure)
        bounded = Block(block.corner, block.values & reach)
        obey(bounded, lesion.prompts, background)
        return replace(lesion, block=bounded.trimmed())

    def _doubted(self, block: Block, lesion: Lesion, stroke: Voxels) -> Bools:
        """What of a mask that follows uptake a background stroke speaks of, however far off it is."""
        doubted = self._refuted(block, lesion)
        # A click, in a necrosis perhaps, does not tell how hot the lesion is.
        if any(isinstance(p, Scribble) and p.label == "tumor" for p in lesion.prompts):
            doubted |= hotter(self.study, block.corner, block.values, drawn_voxels(lesion.prompts), stroke)
        return doubted

    def _refuted(self, block: Block, lesion: Lesion) -> Bools:
        """What of a mask is outside the outline that background strokes leave as the best, if that is another one."""
        first, *later = lesion.prompts
        strokes = [prompt.voxels for prompt in later]
        if self.chooser is None or isinstance(first, Box) or any(prompt.label == "tumor" for prompt in later):
            return np.zeros(block.values.shape, bool)
        outlines = self.proposers.outlines(replace(lesion, prompts=(first,)), np.zeros((0, 3), np.int64))
        denied = [sum(2 * outline.touches(stroke) > len(stroke) for stroke in strokes) for outline in outlines.blocks]
        chosen = self.chooser.choose(outlines.features, denied)
        if chosen == self.chooser.choose(outlines.features):
            return np.zeros(block.values.shape, bool)
        outside: Bools = ~outlines.blocks[chosen].within(block.corner, block.values.shape)
        # A reader draws along what is wrong: of few voxels a stroke does not speak of a large section.
        section = int((block.values & outside).sum(axis=(1, 2)).max())
        return outside if len(strokes[-1]) ** 2 >= section else np.zeros_like(outside)
