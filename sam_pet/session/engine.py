"""Lesions: from prompts to 3-D masks, several at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import cc3d
import numpy as np
import numpy.typing as npt
import torch

from sam_pet.boxes import Block
from sam_pet.prompts import Box, Click, Prompt, Scribble, Voxels
from sam_pet.proposers.outline_features import NAMES, Drawn, Floats, Prompted
from sam_pet.proposers.uptake_levels import above_levels
from sam_pet.proposers.volume_input import WIDTHS_MM
from sam_pet.sam2.clip_width import covering, first_clip, grown, narrow_clip
from sam_pet.sam2.clips import Clip, ClipRecipe
from sam_pet.sam2.features import FeatureCache, Key
from sam_pet.sam2.frames import FrameRecipe
from sam_pet.sam2.lanes import lanes_beyond, lanes_to_fill, stale_slices
from sam_pet.sam2.memory import MemoryBank
from sam_pet.sam2.points import spread_points
from sam_pet.sam2.steps import Core
from sam_pet.sam2.tracker import Job, Lane, SlicePrompt, Tracker
from sam_pet.session.stroke_rules import CONNECTIVITY, LOGIT_LIMIT, Field, changed, hotter, weighed, within_reach
from sam_pet.study import Study
from sam_pet.uptake.peaks import candidates_at
from sam_pet.uptake.regions import look_at

if TYPE_CHECKING:
    from sam_pet.proposers.ranker import Chooser
    from sam_pet.proposers.refiner import Refiner
    from sam_pet.proposers.volume_net import Contour

Bools = npt.NDArray[np.bool_]
_TUMOR, _BACKGROUND, _BOX_LOW, _BOX_HIGH = 1, 0, 2, 3
_MAX_POINTS = 8
# In cubes wider than this cells are too coarse to correct a lesion in.
FINE_MM = 128.0
# A cube in which a lesion is corrected is so much wider than it.
_ROOM = 1.3
# An outline of which less is expected may have run into anything: not all that its stroke can reach is believed then.
_SURE = 0.5
# A piece of a mask that a correction has cut off stays if more than this part of it is still shown.
_STILL_SHOWN = 0.5
# What the contour network's widest cube weighs beside the model's logits: of 0.5, 1 and 2, seen on all 31 sarcomas.
_SECOND_OPINION = 0.5


@dataclass(frozen=True)
class Lesion:
    """One object: its prompts in axial voxels, what the tracker remembers of it, its mask, and how sure the model is.

    `score` is the model's object score (a logit) on the slices of the first prompt, the best of them, in a narrow
    window: in one as wide as an organ it says little. NaN where nothing was shown. `of_uptake` tells whether the mask
    began as an outline that follows uptake instead of what the model shows, `contour_mm` how wide the cubes are in
    which the contour network corrects it; None where the model does. `expected` is the Dice expected of that outline.
    """

    prompts: tuple[Prompt, ...]
    clip: Clip
    bank: MemoryBank
    block: Block
    score: float
    of_uptake: bool = False
    contour_mm: float | None = None
    expected: float = float("nan")


@dataclass(frozen=True)
class Outlines:
    """What a lesion of one prompt may be: the model's mask, the contour network's, then levels of uptake.

    `blocks` with their `features` (n, `outline.features.NAMES`); `widths` are the cubes of the network's, in mm.
    """

    blocks: list[Block]
    features: Floats
    widths: tuple[float, ...] = ()

    def chosen(self, lesion: Lesion, number: int, spacing: tuple[float, ...]) -> Lesion:
        """The lesion with one of these as its mask, on voxels of this `spacing` (x, y, z)."""
        block, width = self.blocks[number].trimmed(), None
        if number > 0 and self.widths:
            width = self.widths[number - 1] if number <= len(self.widths) else cube_round(block, spacing)
            width = width if width <= FINE_MM else None
        return replace(lesion, block=block, of_uptake=number > 0, contour_mm=width)


def cube_round(block: Block, spacing: tuple[float, ...]) -> float:
    """How wide, in mm, the contour network's cubes for a mask are, on voxels of this `spacing` (x, y, z)."""
    extent = float((np.array(block.values.shape) * spacing[::-1]).max())
    return next((width for width in WIDTHS_MM if width >= _ROOM * extent), WIDTHS_MM[-1])


@dataclass
class _Draft:
    """A lesion being computed: prompts shown so far, and what came of them."""

    prompts: tuple[Prompt, ...]
    clip: Clip
    bank: MemoryBank = field(default_factory=MemoryBank)
    shown: int = 0
    score: float = float("nan")

    def judge(self) -> None:
        """Take the object score of what has been pointed at, if that is the first time."""
        if math.isnan(self.score) and self.bank.conditioning:
            self.score = max(float(memory.object_score) for memory in self.bank.conditioning.values())


class LesionTracker:
    """Turns prompts into lesions of one study.

    Args:
        study: the study.
        core: the model's steps.
        frames: the recipe its frames are made with.
        clips: the recipe of clip widths.
        refiner: takes a last look at what the tracker shows, where there is one.
        contour: draws lesions by itself, where there is one.
        chooser: chooses between these and what the uptake alone makes of a first prompt, where there is one.
        cache_bytes: how much memory image features may take.
    """

    def __init__(
        self,
        study: Study,
        core: Core,
        frames: FrameRecipe,
        clips: ClipRecipe,
        refiner: Refiner | None = None,
        contour: Contour | None = None,
        chooser: Chooser | None = None,
        cache_bytes: int = 1 << 30,
    ) -> None:
        self.study = study
        self.clips = clips
        self.refiner = refiner
        self.contour = contour
        self.chooser = chooser
        self._frames = frames
        self._size = core.size
        cache = FeatureCache(core.model, self._load, limit=cache_bytes)
        self._device = core.device
        self._tracker = Tracker(core, cache, depth=len(study.axial_pet))

    def _load(self, keys: Sequence[Key]) -> torch.Tensor:
        groups: dict[Clip, list[int]] = {}
        # This is the tracker's only source of frames, and `_job` names each by its window and slice.
        wanted = cast("Sequence[tuple[Clip, int]]", keys)
        for clip, z in wanted:
            groups.setdefault(clip, []).append(z)
        frames = {
            (clip, z): frame
            for clip, slices in groups.items()
            for z, frame in zip(slices, clip.frames(self.study, self._frames, slices), strict=True)
        }
        return torch.from_numpy(np.stack([frames[key] for key in wanted])).to(self._device)

    @torch.no_grad()
    def start(self, prompts: Sequence[Prompt], background: Voxels, within: bool = False) -> list[Lesion]:
        """New lesions, one for each prompt; `within` the reach of the strokes that start them."""
        lesions = [self.outlined(lesion, background) for lesion in self.sketch(prompts, background)]
        return [self._bounded(lesion, background) for lesion in lesions] if within else lesions

    @torch.no_grad()
    def sketch(self, prompts: Sequence[Prompt], background: Voxels, largest_mm: float = float("inf")) -> list[Lesion]:
        """New lesions as the tracker shows them: not yet `outlined`, and so in less time.

        Clips grow no further than `largest_mm`.
        """
        clips = self.clips.model_copy(update={"largest_mm": min(largest_mm, self.clips.largest_mm)})
        drafts = [_Draft((prompt,), first_clip(self.study, prompt.voxels, clips, self._size)) for prompt in prompts]
        self._glance([draft for draft in drafts if draft.clip.width_mm > clips.first_mm])
        return self._settle(drafts, background, clips)

    def _glance(self, drafts: Sequence[_Draft]) -> None:
        """The object scores of drafts whose own clips are wide."""
        narrow = [replace(d, clip=narrow_clip(self.study, d.prompts[0].voxels, self.clips, self._size)) for d in drafts]
        if narrow:
            self._point(narrow)
        for draft, seen in zip(drafts, narrow, strict=True):
            draft.score = seen.score

    @torch.no_grad()
    def extend(self, lesions: Sequence[Lesion], prompt: Prompt, background: Voxels) -> list[Lesion]:
        """The lesions with one more prompt each, the same one; a stroke changes a mask as `corrections` says."""
        if isinstance(prompt, Box):
            return [self._refined(lesion, background) for lesion in self._tracked(lesions, prompt, background)]
        # The contour network answers to all strokes at once; what it corrects need not be tracked again.
        by_model = iter(self._tracked([x for x in lesions if not self._drawn_anew(x)], prompt, background))
        told = [replace(x, prompts=(*x.prompts, prompt)) if self._drawn_anew(x) else next(by_model) for x in lesions]
        return [self._corrected(old, new, prompt, background) for old, new in zip(lesions, told, strict=True)]

    def _drawn_anew(self, lesion: Lesion) -> bool:
        return self.contour is not None and lesion.contour_mm is not None

    def _tracked(self, lesions: Sequence[Lesion], prompt: Prompt, background: Voxels) -> list[Lesion]:
        """What the model shows of the lesions with one more prompt each."""
        drafts = []
        for lesion in lesions:
            prompts, anew = (*lesion.prompts, prompt), self._drawn_anew(lesion)
            voxels = np.concatenate([p.voxels for p in prompts]) if anew else prompt.voxels
            clip = covering(self.study, lesion.clip, voxels, self.clips)
            if _window(clip) == _window(lesion.clip) and not anew:
                drafts.append(_Draft(prompts, clip, lesion.bank, len(lesion.prompts), lesion.score))
            else:
                drafts.append(_Draft(prompts, clip, score=lesion.score))
        return self._settle(drafts, background)

    def without(self, lesion: Lesion, background: Voxels) -> Lesion:
        """The lesion with its mask cut by background voxels, nothing tracked again."""
        block = Block(lesion.block.corner, lesion.block.values.copy())
        _cut(block, lesion.block.values, lesion.prompts, background)
        return replace(lesion, block=block)

    def only(self, lesion: Lesion, block: Block) -> Lesion:
        """The lesion with a part of its mask and those of its prompts there, or else a click at its hottest voxel."""
        prompts = tuple(prompt for prompt in lesion.prompts if block.touches(prompt.voxels))
        if not prompts:
            pet = np.where(block.values, self.study.axial_pet[block.slices], -np.inf)
            z, y, x = np.add(np.unravel_index(int(pet.argmax()), pet.shape), block.corner[::-1]).tolist()
            prompts = (Click((x, y, z)),)
        return replace(lesion, block=block, prompts=prompts)

    def _corrected(self, old: Lesion, new: Lesion, prompt: Prompt, background: Voxels) -> Lesion:
        """The new lesion with the old one's mask, but for what the prompt changes in it."""
        if not old.block.values.any() or not new.bank.conditioning:
            return self._refined(new, background)
        standing = old.block.voxels()
        new = replace(new, of_uptake=old.of_uptake, contour_mm=old.contour_mm)
        field = self._look(new, background).widened(np.concatenate([standing, prompt.voxels]))
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
            if self.contour is None:
                logits = np.where(doubted, np.float32(-LOGIT_LIMIT), logits)
        after = Block(field.corner, changed(block.values, logits, block.rows(prompt.voxels), prompt.label, reach))
        _cut(after, block.values, new.prompts, background, logits > 0 if self._drawn_anew(new) else None)
        return replace(new, block=after.trimmed())

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
        outlines = self.outlines(replace(lesion, prompts=(first,)), np.zeros((0, 3), np.int64))
        denied = [sum(2 * outline.touches(stroke) > len(stroke) for stroke in strokes) for outline in outlines.blocks]
        chosen = self.chooser.choose(outlines.features, denied)
        if chosen == self.chooser.choose(outlines.features):
            return np.zeros(block.values.shape, bool)
        outside: Bools = ~outlines.blocks[chosen].within(block.corner, block.values.shape)
        # A reader draws along what is wrong: of few voxels a stroke does not speak of a large section.
        section = int((block.values & outside).sum(axis=(1, 2)).max())
        return outside if len(strokes[-1]) ** 2 >= section else np.zeros_like(outside)

    def _bounded(self, lesion: Lesion, background: Voxels) -> Lesion:
        block, stroke = lesion.block, lesion.prompts[0]
        if not isinstance(stroke, Scribble):
            return lesion
        sure = not lesion.expected < _SURE
        reach = within_reach(self.study, stroke.voxels, "tumor", block.corner, block.values.shape, fresh=sure)
        bounded = Block(block.corner, block.values & reach)
        _obey(bounded, lesion.prompts, background)
        return replace(lesion, block=bounded.trimmed())

    def _refined(self, lesion: Lesion, background: Voxels) -> Lesion:
        if self.refiner is None or not lesion.bank.conditioning:
            return lesion
        return replace(lesion, block=_shown(self._look(lesion, background), lesion.prompts, background).trimmed())

    @torch.no_grad()
    def outlined(self, lesion: Lesion, background: Voxels) -> Lesion:
        """The lesion with the outline that is expected to fit best: the refined one where there is no chooser."""
        if self.chooser is None or not lesion.bank.conditioning or isinstance(lesion.prompts[0], Box):
            return self._refined(lesion, background)
        outlines = self.outlines(lesion, background)
        number = self.chooser.choose(outlines.features)
        chosen = outlines.chosen(lesion, number, self.study.frame_spacing)
        return replace(chosen, expected=float(self.chooser.expect(outlines.features)[number]))

    def outlines(self, lesion: Lesion, background: Voxels) -> Outlines:
        """The outlines that a lesion of one click or stroke may have, the model's first."""
        field, drawn = self._look(replace(lesion, contour_mm=None), background), lesion.prompts[0].voxels
        model = _shown(field, lesion.prompts, background)
        spots = [look_at(self.study, candidate) for candidate in candidates_at(self.study, drawn)]
        if not spots:
            return Outlines([model], np.zeros((1, len(NAMES)), np.float32))
        widths = WIDTHS_MM if self.contour is not None else ()
        contours = [self._drawn_by_itself(lesion.prompts, background, width) for width in widths]
        hottest = spots[0].candidate.suv
        known = [
            Prompted(self.study, drawn, lesion.score, lesion.clip.width_mm, field, model, contours, spot, hottest)
            for spot in spots
        ]  # fmt: skip
        blocks, features = [model, *(contour.block for contour in contours)], [known[0].describe_networks()]
        for prompted in known:
            levels = above_levels(prompted.spot, drawn)
            for block in levels:
                _obey(block, lesion.prompts, background)
            features.append(prompted.describe(levels))
            blocks += levels
        return Outlines(blocks, np.concatenate(features), widths)

    def _drawn_by_itself(self, prompts: Sequence[Prompt], background: Voxels, width_mm: float) -> Drawn:
        """What the contour network makes of strokes in a cube."""
        assert self.contour is not None
        tumor = drawn_voxels(prompts)
        field = self.contour.draw(self.study, tumor, background, width_mm).widened(tumor)
        return Drawn(field, _shown(field, prompts, background))

    def _look(self, lesion: Lesion, background: Voxels) -> Field:
        """The logits that make the mask."""
        drawn = drawn_voxels(lesion.prompts)
        if lesion.contour_mm is not None and self.contour is not None:
            return self.contour.draw(self.study, drawn, background, lesion.contour_mm)
        if self.refiner is None:
            field = self._logits(lesion.clip, lesion.bank)
        else:
            field = self.refiner.refine(self.study, lesion.clip, lesion.bank.all(), drawn, background)
        if self.contour is None or not len(drawn):
            return field
        second = self.contour.draw(self.study, drawn, background, WIDTHS_MM[-1])
        return field.plus(second, _SECOND_OPINION)

    def _settle(self, drafts: list[_Draft], background: Voxels, clips: ClipRecipe | None = None) -> list[Lesion]:
        """Show what is not shown yet, and grow clips until no mask touches an edge that can still move."""
        clips = clips or self.clips
        blocks: dict[int, Block] = {}
        pending = list(range(len(drafts)))
        while pending:
            while unseen := [i for i in pending if drafts[i].shown < len(drafts[i].prompts)]:
                self._show([drafts[i] for i in unseen])
            for i in pending:
                blocks[i] = self._block(drafts[i].prompts, drafts[i].clip, drafts[i].bank, background)
            pending = [i for i in pending if self._grow(drafts[i], blocks[i], clips)]
            longer = [drafts[i] for i in pending if drafts[i].shown]
            self._track(longer, [lanes_beyond(d.bank, d.clip.first, d.clip.last) for d in longer])
        return [Lesion(d.prompts, d.clip, d.bank, blocks[i], d.score) for i, d in enumerate(drafts)]

    def _show(self, drafts: Sequence[_Draft]) -> None:
        """The next prompt of each draft, then the slices around."""
        self._point(drafts)
        for draft in drafts:
            draft.shown += 1
        started = [d for d in drafts if d.bank.conditioning]
        self._track(started, [lanes_to_fill(d.bank, d.clip.first, d.clip.last) for d in started])

    def _point(self, drafts: Sequence[_Draft]) -> None:
        """The next prompt of each draft on its own slices, one after the other."""
        queues = [self._slice_prompts(draft) for draft in drafts]
        for turn in range(max(len(q) for q in queues)):
            rows = [i for i, q in enumerate(queues) if turn < len(q)]
            drawn = [self._with_earlier(drafts[i].bank, queues[i][turn]) for i in rows]
            banks = self._tracker.prompt([self._job(drafts[i], []) for i in rows], drawn)
            for i, bank, prompt in zip(rows, banks, drawn, strict=True):
                drafts[i].bank = bank.without_tracked(stale_slices(bank, prompt.slice_))
        for draft in drafts:
            draft.judge()

    def _track(self, drafts: Sequence[_Draft], lanes: Sequence[Sequence[Lane]]) -> None:
        banks = self._tracker.track([self._job(d, paths) for d, paths in zip(drafts, lanes, strict=True)])
        for draft, bank in zip(drafts, banks, strict=True):
            draft.bank = bank

    @staticmethod
    def _job(draft: _Draft, lanes: Sequence[Lane]) -> Job:
        window = _window(draft.clip)
        return Job(draft.bank, lanes, key=lambda z: (window, z))

    @staticmethod
    def _with_earlier(bank: MemoryBank, prompt: SlicePrompt) -> SlicePrompt:
        held = bank.get(prompt.slice_)
        return prompt if held is None else replace(prompt, earlier=held.logits)

    def _slice_prompts(self, draft: _Draft) -> list[SlicePrompt]:
        """The newest prompt with all that was drawn before on its slices; background counts where a mask is."""
        newest = draft.prompts[draft.shown]
        shown = draft.prompts[: draft.shown + 1]
        prompts = []
        for z in sorted(_slices(newest)):
            if newest.label == "background" and not _holds(draft.bank, z):
                continue
            points, labels = [], []
            for prompt in sorted(shown, key=lambda p: not isinstance(p, Box)):
                if z not in _slices(prompt):
                    continue
                pixels, values = _points(prompt, z, draft.clip)
                points.append(pixels)
                labels += values
            prompts.append(
                SlicePrompt(
                    z,
                    torch.from_numpy(np.concatenate(points).astype(np.float32)),
                    torch.tensor(labels, dtype=torch.int32),
                    believed=any(label != _BACKGROUND for label in labels),
                )
            )
        return prompts

    def _block(self, prompts: Sequence[Prompt], clip: Clip, bank: MemoryBank, background: Voxels) -> Block:
        """The mask at the voxels of the clip's window: what the slices show, connected to what was drawn."""
        if not bank.all():
            return Block((0, 0, 0), np.zeros((1, 1, 1), bool))
        return _shown(self._logits(clip, bank), prompts, background)

    def _logits(self, clip: Clip, bank: MemoryBank) -> Field:
        """What the slices show at the voxels of the clip's window; a slice that is not remembered shows nothing."""
        held = bank.all()
        logits = torch.stack([m.logits[0] for m in held.values()]).float().cpu().numpy()
        values, (rows, columns) = clip.restore(logits, self.study.axial_pet.shape[1:])
        first, last = min(held), max(held)
        whole = np.full((last - first + 1, *values.shape[1:]), -LOGIT_LIMIT, np.float32)
        whole[[z - first for z in held]] = np.clip(values, -LOGIT_LIMIT, LOGIT_LIMIT)
        return Field((columns.start, rows.start, first), whole)

    def _grow(self, draft: _Draft, block: Block, clips: ClipRecipe) -> bool:
        """Widen or lengthen the clip of a draft whose mask touches its edge; whether there is more to compute."""
        found = np.nonzero(block.values)
        if not found[0].size:
            return False
        corner = np.asarray(block.corner)
        low = corner + np.array([axis.min() for axis in found[::-1]])
        high = corner + np.array([axis.max() for axis in found[::-1]])
        depth, height, width = self.study.axial_pet.shape
        clip = draft.clip
        columns, rows = clip.voxel_range(0, width), clip.voxel_range(1, height)
        sideways = (
            (low[0] <= columns.start and columns.start > 0)
            or (high[0] >= columns.stop - 1 and columns.stop < width)
            or (low[1] <= rows.start and rows.start > 0)
            or (high[1] >= rows.stop - 1 and rows.stop < height)
        )
        if sideways and clip.width_mm * clips.growth <= clips.largest_mm:
            drawn = np.concatenate([p.voxels for p in draft.prompts])
            draft.clip = covering(self.study, grown(self.study, clip, low, high, clips), drawn, clips)
            draft.bank, draft.shown = MemoryBank(), 0
            return True
        reach = max(int(clip.width_mm / 2 / self.study.frame_spacing[2]), 1)
        limit = int(clips.largest_mm / self.study.frame_spacing[2])
        if clip.last - clip.first + 1 >= limit:
            return False
        held = draft.bank.all()
        down = low[2] <= clip.first and clip.first > 0 and min(held) == clip.first
        up = high[2] >= clip.last and clip.last < depth - 1 and max(held) == clip.last
        if down:
            clip = replace(clip, first=max(clip.first - reach, 0))
        if up:
            clip = replace(clip, last=min(clip.last + reach, depth - 1))
        draft.clip = clip
        return bool(down or up)


def _window(clip: Clip) -> Clip:
    """The clip less its slices: features of a slice are the same in longer clips."""
    return replace(clip, first=0, last=0)


def _slices(prompt: Prompt) -> set[int]:
    """The slices a prompt is shown on: those it is drawn on; of a box the middle one."""
    if isinstance(prompt, Box):
        return {(prompt.low[2] + prompt.high[2]) // 2}
    return set(prompt.voxels[:, 2].tolist())


def _points(prompt: Prompt, z: int, clip: Clip) -> tuple[npt.NDArray[np.float64], list[int]]:
    """Pixels and labels of a prompt on a slice."""
    if isinstance(prompt, Box):
        corners = clip.to_pixels(np.array([prompt.low, prompt.high]) + np.array([[-0.5], [0.5]]))
        return corners, [_BOX_LOW, _BOX_HIGH]
    drawn = spread_points(prompt.voxels[prompt.voxels[:, 2] == z], _MAX_POINTS)
    return clip.to_pixels(drawn), [_TUMOR if prompt.label == "tumor" else _BACKGROUND] * len(drawn)


def _holds(bank: MemoryBank, z: int) -> bool:
    memory = bank.get(z)
    return memory is not None and memory.present


def _shown(field: Field, prompts: Sequence[Prompt], background: Voxels) -> Block:
    """The mask that logits make, with what was drawn."""
    block = Block(field.corner, field.values > 0)
    _obey(block, prompts, background)
    return block


def _obey(block: Block, prompts: Sequence[Prompt], background: Voxels) -> None:
    """Give a mask, in place, what was drawn: tumor voxels and what is connected to them, no background voxels."""
    mask = block.values
    mask[block.rows(background)] = False
    drawn = [block.rows(voxels) for voxels in _drawn(prompts)]
    _keep_connected(mask, drawn)
    for rows in drawn:
        mask[rows] = True
    mask[block.rows(background)] = False


def _cut(
    block: Block, before: Bools, prompts: Sequence[Prompt], background: Voxels, shown: Bools | None = None
) -> None:
    """Give a corrected mask, in place, what was drawn, less the pieces that the correction cut off from it.

    A piece that hung together with nothing drawn `before` stays: a click in a cold core may stand alone. So does one
    that is mostly still `shown` by what has seen all strokes.
    """
    mask = block.values
    drawn = [block.rows(voxels) for voxels in _drawn(prompts)]
    for rows in drawn:
        mask[rows] = True
    mask[block.rows(background)] = False
    held, pieces = (cc3d.connected_components(m, connectivity=CONNECTIVITY) for m in (before, mask))
    if drawn:
        was, stays = (np.unique(np.concatenate([labels[rows] for rows in drawn])) for labels in (held, pieces))
        if shown is not None:
            share = np.bincount(pieces.ravel(), shown.ravel()) / np.maximum(np.bincount(pieces.ravel()), 1)
            stays = np.concatenate([stays, np.flatnonzero(share > _STILL_SHOWN)])
        mask &= np.isin(pieces, stays) | ~np.isin(held, was[was > 0])


def drawn_voxels(prompts: Sequence[Prompt]) -> Voxels:
    """The axial voxels (n, 3) of tumor clicks and strokes."""
    return np.concatenate([np.zeros((0, 3), np.int64), *_drawn(prompts)])


def _drawn(prompts: Sequence[Prompt]) -> list[Voxels]:
    return [p.voxels for p in prompts if p.label == "tumor" and not isinstance(p, Box)]


def _keep_connected(mask: Bools, drawn: Sequence[tuple[Any, ...]]) -> None:
    """Drop, in place, what is not connected to a drawn voxel; if nothing is, all but the largest component."""
    if not mask.any():
        return
    components, count = cc3d.connected_components(mask, connectivity=CONNECTIVITY, return_N=True)
    if count == 1:
        return
    kept = {int(n) for rows in drawn for n in np.unique(components[rows]) if n}
    if not kept:
        kept = {int(np.bincount(components.ravel())[1:].argmax()) + 1}
    mask &= np.isin(components, list(kept))
