"""SAM 2 as a proposer: prompts to lesions, tracked through the slices of clips that grow, several at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import cast

import numpy as np
import numpy.typing as npt
import torch

from sam_pet.boxes import LOGIT_LIMIT, LogitBox, MaskBox
from sam_pet.prompts import Box, Prompt, Voxels
from sam_pet.proposers.lesion import Lesion, shown_mask
from sam_pet.sam2.clip_width import covering, first_clip, grown, narrow_clip
from sam_pet.sam2.clips import Clip, ClipRecipe
from sam_pet.sam2.features import FeatureCache, Key
from sam_pet.sam2.frames import FrameRecipe
from sam_pet.sam2.memory import MemoryBank
from sam_pet.sam2.paths import paths_beyond, paths_to_fill, stale_slices
from sam_pet.sam2.points import spread_points
from sam_pet.sam2.steps import Sam2Steps
from sam_pet.sam2.tracker import SlicePath, SlicePrompt, Tracker, TrackRequest
from sam_pet.settings import TrackingSettings
from sam_pet.study import Study

_TUMOR, _BACKGROUND, _BOX_LOW, _BOX_HIGH = 1, 0, 2, 3


@dataclass
class _Draft:
    """A lesion being computed: prompts shown so far, and what came of them."""

    prompts: tuple[Prompt, ...]
    clip: Clip
    bank: MemoryBank = field(default_factory=MemoryBank)
    shown: int = 0
    score: float = float("nan")

    def take_score(self) -> None:
        """Take the object score of the first prompt, if that is the first time."""
        if math.isnan(self.score) and self.bank.conditioning:
            self.score = max(float(memory.object_score) for memory in self.bank.conditioning.values())


class Sam2Proposer:
    """Tracks the lesions of one study.

    Args:
        study: the study.
        core: the model's steps.
        frames: the recipe its frames are made with.
        clips: the recipe of clip widths.
        settings: how lesions are shown and followed.
        cache_bytes: how much memory image features may take.
    """

    def __init__(
        self,
        study: Study,
        core: Sam2Steps,
        frames: FrameRecipe,
        clips: ClipRecipe,
        settings: TrackingSettings,
        cache_bytes: int = 1 << 30,
    ) -> None:
        self.study = study
        self.clips = clips
        self.settings = settings
        self._size = core.size
        self._filter = core.memory_filter
        # Nothing in it leads back here: a study goes from memory when its session does, not when cycles are collected.
        self._cache = FeatureCache(core.encode, partial(_load, study, frames, core.device), limit=cache_bytes)
        self._tracker = Tracker(core, self._cache, depth=len(study.axial_pet), patience=settings.patience_slices)

    @property
    def cached_bytes(self) -> int:
        """How much memory image features take now."""
        return self._cache.nbytes

    @torch.no_grad()
    def propose(self, prompts: Sequence[Prompt], background: Voxels, largest_mm: float = float("inf")) -> list[Lesion]:
        """New lesions, one for each prompt, in clips that grow no further than `largest_mm`."""
        clips = self.clips.model_copy(update={"largest_mm": min(largest_mm, self.clips.largest_mm)})
        drafts = [_Draft((prompt,), self._first_clip(prompt, clips)) for prompt in prompts]
        self._score_narrow([draft for draft in drafts if draft.clip.width_mm > clips.first_mm])
        return self._settle(drafts, background, clips)

    def unseen(self, prompt: Prompt, block: MaskBox) -> Lesion:
        """A lesion with a mask that comes from elsewhere; the model has not been shown anything."""
        return Lesion((prompt,), self._first_clip(prompt, self.clips), MemoryBank(), block, float("nan"))

    def _first_clip(self, prompt: Prompt, clips: ClipRecipe) -> Clip:
        return first_clip(self.study, prompt.voxels, clips, self._size, self.settings)

    @torch.no_grad()
    def revise(self, lesions: Sequence[Lesion], prompt: Prompt, background: Voxels) -> list[Lesion]:
        """What the model shows of the lesions with one more prompt each, the same one."""
        drafts = []
        for lesion in lesions:
            prompts, anew = (*lesion.prompts, prompt), lesion.by_network
            voxels = np.concatenate([p.voxels for p in prompts]) if anew else prompt.voxels
            clip = covering(self.study, lesion.clip, voxels, self.clips, self.settings)
            if _window(clip) == _window(lesion.clip) and not anew:
                drafts.append(_Draft(prompts, clip, lesion.bank, len(lesion.prompts), lesion.score))
            else:
                drafts.append(_Draft(prompts, clip, score=lesion.score))
        return self._settle(drafts, background)

    def narrow_clip(self, voxels: Voxels) -> Clip:
        """A clip of the first width around axial voxels (n, 3)."""
        return narrow_clip(self.study, voxels, self.clips, self._size, self.settings)

    def logits(self, clip: Clip, bank: MemoryBank) -> LogitBox:
        """What the slices show at the voxels of the clip's window; a slice that is not remembered shows nothing."""
        held = bank.all()
        logits = torch.stack([m.logits[0] for m in held.values()]).float().cpu().numpy()
        values, (rows, columns) = clip.restore(logits, self.study.axial_pet.shape[1:])
        first, last = min(held), max(held)
        whole = np.full((last - first + 1, *values.shape[1:]), -LOGIT_LIMIT, np.float32)
        whole[[z - first for z in held]] = np.clip(values, -LOGIT_LIMIT, LOGIT_LIMIT)
        return LogitBox((columns.start, rows.start, first), whole)

    def _score_narrow(self, drafts: Sequence[_Draft]) -> None:
        """The object scores of drafts whose own clips are wide."""
        narrow = [replace(d, clip=self.narrow_clip(d.prompts[0].voxels)) for d in drafts]
        if narrow:
            self._point(narrow)
        for draft, seen in zip(drafts, narrow, strict=True):
            draft.score = seen.score

    def _settle(self, drafts: list[_Draft], background: Voxels, clips: ClipRecipe | None = None) -> list[Lesion]:
        """Show what is not shown yet, and grow clips until no mask touches an edge that can still move."""
        clips = clips or self.clips
        blocks: dict[int, MaskBox] = {}
        pending = list(range(len(drafts)))
        while pending:
            while unseen := [i for i in pending if drafts[i].shown < len(drafts[i].prompts)]:
                self._show([drafts[i] for i in unseen])
            for i in pending:
                blocks[i] = self._block(drafts[i].prompts, drafts[i].clip, drafts[i].bank, background)
            pending = [i for i in pending if self._grow(drafts[i], blocks[i], clips)]
            longer = [drafts[i] for i in pending if drafts[i].shown]
            self._track(longer, [paths_beyond(d.bank, d.clip.first, d.clip.last) for d in longer])
        return [Lesion(d.prompts, d.clip, d.bank, blocks[i], d.score) for i, d in enumerate(drafts)]

    def _show(self, drafts: Sequence[_Draft]) -> None:
        """The next prompt of each draft, then the slices around."""
        self._point(drafts)
        for draft in drafts:
            draft.shown += 1
        started = [d for d in drafts if d.bank.conditioning]
        self._track(started, [paths_to_fill(d.bank, d.clip.first, d.clip.last) for d in started])

    def _point(self, drafts: Sequence[_Draft]) -> None:
        """The next prompt of each draft on its own slices, one after the other."""
        queues = [self._slice_prompts(draft) for draft in drafts]
        for turn in range(max(len(q) for q in queues)):
            rows = [i for i, q in enumerate(queues) if turn < len(q)]
            drawn = [self._with_earlier(drafts[i].bank, queues[i][turn]) for i in rows]
            banks = self._tracker.prompt([self._request(drafts[i], []) for i in rows], drawn)
            for i, bank, prompt in zip(rows, banks, drawn, strict=True):
                drafts[i].bank = bank.without_tracked(stale_slices(bank, prompt.slice_))
        for draft in drafts:
            draft.take_score()

    def _track(self, drafts: Sequence[_Draft], paths: Sequence[Sequence[SlicePath]]) -> None:
        banks = self._tracker.track([self._request(d, own) for d, own in zip(drafts, paths, strict=True)])
        for draft, bank in zip(drafts, banks, strict=True):
            draft.bank = bank

    def _request(self, draft: _Draft, paths: Sequence[SlicePath]) -> TrackRequest:
        window = _window(draft.clip)
        near = None if self._filter is None else replace(window, width_mm=2 * self._filter.near_mm)
        uptake = None if near is None else partial(self._hottest, near)
        return TrackRequest(draft.bank, paths, key=lambda z: (window, z), uptake=uptake)

    def _hottest(self, near: Clip, z: int) -> float:
        """The hottest uptake of a slice in a window."""
        pet = self.study.axial_pet[z]
        rows, columns = near.voxel_range(1, pet.shape[0]), near.voxel_range(0, pet.shape[1])
        return float(pet[rows.start : rows.stop, columns.start : columns.stop].max(initial=0.0))

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
                pixels, values = _points(prompt, z, draft.clip, self.settings.points_per_slice)
                points.append(pixels)
                labels += values
            prompts.append(
                SlicePrompt(
                    z,
                    torch.from_numpy(np.concatenate(points).astype(np.float32)),
                    torch.tensor(labels, dtype=torch.int32),
                    force_present=any(label != _BACKGROUND for label in labels),
                )
            )
        return prompts

    def _block(self, prompts: Sequence[Prompt], clip: Clip, bank: MemoryBank, background: Voxels) -> MaskBox:
        """The mask at the voxels of the clip's window: what the slices show, connected to what was drawn."""
        if not bank.all():
            return MaskBox((0, 0, 0), np.zeros((1, 1, 1), bool))
        return shown_mask(self.logits(clip, bank), prompts, background)

    def _grow(self, draft: _Draft, block: MaskBox, clips: ClipRecipe) -> bool:
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
            draft.clip = covering(self.study, grown(self.study, clip, low, high, clips), drawn, clips, self.settings)
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


def _points(prompt: Prompt, z: int, clip: Clip, most: int) -> tuple[npt.NDArray[np.float64], list[int]]:
    """Pixels and labels of a prompt on a slice, at most so many."""
    if isinstance(prompt, Box):
        corners = clip.to_pixels(np.array([prompt.low, prompt.high]) + np.array([[-0.5], [0.5]]))
        return corners, [_BOX_LOW, _BOX_HIGH]
    drawn = spread_points(prompt.voxels[prompt.voxels[:, 2] == z], most)
    return clip.to_pixels(drawn), [_TUMOR if prompt.label == "tumor" else _BACKGROUND] * len(drawn)


def _holds(bank: MemoryBank, z: int) -> bool:
    memory = bank.get(z)
    return memory is not None and memory.present


def _load(study: Study, recipe: FrameRecipe, device: torch.device, keys: Sequence[Key]) -> torch.Tensor:
    groups: dict[Clip, list[int]] = {}
    # The tracker alone fetches, and `_request` names each frame by its window and slice.
    wanted = cast("Sequence[tuple[Clip, int]]", keys)
    for clip, z in wanted:
        groups.setdefault(clip, []).append(z)
    frames = {
        (clip, z): frame
        for clip, slices in groups.items()
        for z, frame in zip(slices, clip.frames(study, recipe, slices), strict=True)
    }
    return torch.from_numpy(np.stack([frames[key] for key in wanted])).to(device)
