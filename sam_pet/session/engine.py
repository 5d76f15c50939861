"""From prompts to the lesions of one study: propose, rank, correct."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy.ndimage import distance_transform_edt

from sam_pet.boxes import MaskBox
from sam_pet.prompts import Box, Click, Prompt, Scribble, Voxels
from sam_pet.proposers.lesion import Lesion, cut_off
from sam_pet.proposers.outlines import Proposers
from sam_pet.proposers.ranker import OutlineRanker, at_first
from sam_pet.proposers.revisions import Revised
from sam_pet.sam2.memory import MemoryBank
from sam_pet.session.correct import Corrections
from sam_pet.settings import DEFAULTS, StrokeSettings


class LesionSegmenter:
    """Turns prompts into lesions of one study.

    Args:
        proposers: what proposes outlines.
        ranker: picks one of the outlines of a first prompt or after a stroke, where there is one.
        strokes: what a stroke changes.
    """

    def __init__(
        self,
        proposers: Proposers,
        ranker: OutlineRanker | None = None,
        strokes: StrokeSettings = DEFAULTS.strokes,
    ) -> None:
        self.study = proposers.sam2.study
        self.proposers = proposers
        self.ranker = ranker
        self.corrections = Corrections(proposers, ranker, strokes)

    @torch.no_grad()
    def start(self, prompts: Sequence[Prompt], background: Voxels) -> list[Lesion]:
        """New lesions, one for each prompt."""
        return [self.select_outline(lesion, background).tidied() for lesion in self.track(prompts, background)]

    def track(self, prompts: Sequence[Prompt], background: Voxels, largest_mm: float = float("inf")) -> list[Lesion]:
        """New lesions as the tracker shows them: their outline not yet selected, and so in less time.

        Clips grow no further than `largest_mm`.
        """
        return self.proposers.sam2.propose(prompts, background, largest_mm)

    def taken(self, block: MaskBox) -> Lesion:
        """A lesion with a mask made elsewhere, as if its innermost voxel had been clicked.

        The contour network corrects it where it has cubes for a mask as wide; the model is first shown it when it is
        corrected.
        """
        depth = distance_transform_edt(np.pad(block.values, 1), sampling=self.study.frame_spacing[::-1])
        z, y, x = (np.array(np.unravel_index(int(depth.argmax()), depth.shape)) - 1 + block.corner[::-1]).tolist()
        lesion = self.proposers.sam2.unseen(Click((x, y, z)), block)
        return replace(lesion, contour_mm=self.proposers.cube_mm(block))

    def _seen(self, lesions: Sequence[Lesion], background: Voxels) -> list[Lesion]:
        """The lesions with what the model remembers of them, those that it was never shown too."""
        new = [i for i, lesion in enumerate(lesions) if not lesion.bank.all()]
        shown = self.track([lesions[i].prompts[0] for i in new], background) if new else []
        seen = list(lesions)
        for i, one in zip(new, shown, strict=True):
            seen[i] = replace(lesions[i], clip=one.clip, bank=one.bank, score=one.score)
        return seen

    @torch.no_grad()
    def extend(self, lesions: Sequence[Lesion], prompt: Prompt, background: Voxels) -> list[Lesion]:
        """The lesions with one more prompt each, the same one; a stroke changes a mask as `corrections` says.

        The first tumor prompt in what is painted alone adds what it would begin.
        """
        shown = iter(self._extended([x for x in lesions if x.prompts], prompt, background))
        return [next(shown).tidied() if x.prompts else self._begun(x, prompt, background) for x in lesions]

    def painted(self, lesion: Lesion | None, voxels: Voxels) -> Lesion:
        """The lesion, or a new one, with axial voxels (n, 3) in its mask."""
        block = MaskBox.of(voxels)
        if lesion is not None:
            return replace(lesion, block=lesion.block.joined(block))
        corners = np.stack([voxels.min(axis=0), voxels.max(axis=0)])
        return Lesion((), self.proposers.sam2.narrow_clip(corners), MemoryBank(), block, float("nan"))

    def erased(self, lesion: Lesion, voxels: Voxels) -> Lesion | None:
        """The lesion without axial voxels (n, 3), in its mask and in what was drawn of it; None if nothing is left."""
        rows = lesion.block.rows(voxels)
        if not lesion.block.values[rows].any():
            return lesion
        values = lesion.block.values.copy()
        values[rows] = False
        block = MaskBox(lesion.block.corner, values).trimmed()
        if not block.values.any():
            return None
        gone = set(map(tuple, voxels.tolist()))
        left = [_left(prompt, gone) for prompt in lesion.prompts]
        prompts = tuple(prompt for prompt in left if prompt is not None)
        if not any(prompt.label == "tumor" for prompt in prompts):
            # Of what was drawn nothing is left: it is as if it had been painted.
            return self.painted(None, block.voxels())
        found = sum(prompt is not None for prompt in left[: lesion.found])
        return replace(lesion, block=block, prompts=prompts, found=found)

    def _begun(self, lesion: Lesion, prompt: Prompt, background: Voxels) -> Lesion:
        if prompt.label == "background":
            return self.without(lesion, background)
        (begun,) = self.start([prompt], background)
        return replace(begun, block=begun.block.joined(lesion.block))

    def _extended(self, lesions: Sequence[Lesion], prompt: Prompt, background: Voxels) -> list[Lesion]:
        lesions = self._seen(lesions, background)
        shown = self._with_prompt(lesions, prompt, background)
        if isinstance(prompt, Box):
            return [self.corrections.shown(lesion, background) for lesion in shown]
        return [self.corrections.corrected(old, new, background) for old, new in zip(lesions, shown, strict=True)]

    @torch.no_grad()
    def revisions(self, lesion: Lesion, stroke: Prompt, background: Voxels) -> Revised | None:
        """The outlines of a lesion after one more stroke; None where it starts anew."""
        (seen,) = self._seen([lesion], background)
        return self.corrections.revisions(seen, self._with_prompt([seen], stroke, background)[0], background)

    def _with_prompt(self, lesions: Sequence[Lesion], prompt: Prompt, background: Voxels) -> list[Lesion]:
        if isinstance(prompt, Box):
            return self.proposers.sam2.revise(lesions, prompt, background)
        # The contour network answers to all strokes at once; what it corrects need not be tracked again.
        by_model = iter(self.proposers.sam2.revise([x for x in lesions if not x.by_network], prompt, background))
        return [replace(x, prompts=(*x.prompts, prompt)) if x.by_network else next(by_model) for x in lesions]

    @torch.no_grad()
    def select_outline(self, lesion: Lesion, background: Voxels) -> Lesion:
        """The lesion with the outline that is expected to fit best: the networks' where there is no ranker."""
        if self.ranker is None or not lesion.bank.conditioning or isinstance(lesion.prompts[0], Box):
            return self.corrections.shown(lesion, background)
        outlines = self.proposers.outlines(lesion, background)
        expected = self.ranker.expect(at_first(outlines.features))
        number = int(expected.argmax())
        return replace(self.proposers.chosen(lesion, outlines, number), expected=float(expected[number]))

    def without(self, lesion: Lesion, background: Voxels) -> Lesion:
        """The lesion with its mask cut by background voxels, nothing tracked again."""
        block = MaskBox(lesion.block.corner, lesion.block.values.copy())
        cut_off(block, lesion.block.values, lesion.prompts, background)
        return replace(lesion, block=block).tidied()


class WatchedSegmenter(LesionSegmenter):
    """A segmenter that reports each of its steps, and ends with what the report raises."""

    def __init__(self, segmenter: LesionSegmenter, progress: Callable[[int], None]) -> None:
        super().__init__(segmenter.proposers, segmenter.ranker, segmenter.corrections.settings)
        self._progress = progress
        self._done = 0

    def track(self, prompts: Sequence[Prompt], background: Voxels, largest_mm: float = float("inf")) -> list[Lesion]:
        self._step()
        return super().track(prompts, background, largest_mm)

    def select_outline(self, lesion: Lesion, background: Voxels) -> Lesion:
        self._step()
        return super().select_outline(lesion, background)

    def _step(self) -> None:
        self._progress(self._done)
        self._done += 1


def _left(prompt: Prompt, gone: set[tuple[int, ...]]) -> Prompt | None:
    """A prompt without the voxels that were erased of what it drew as tumor; None if that was all."""
    if prompt.label == "background" or not isinstance(prompt, Click | Scribble):
        return prompt
    drawn = [(x, y, z) for x, y, z in prompt.voxels.tolist() if (x, y, z) not in gone]
    if len(drawn) == len(prompt.voxels):
        return prompt
    return Scribble(tuple(drawn), "tumor") if drawn else None
