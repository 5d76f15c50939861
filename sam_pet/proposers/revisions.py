"""The outlines that a lesion may have after a stroke: the one that stands, those that the stroke makes of it, none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from sam_pet.boxes import Block, Field
from sam_pet.prompts import Box, Prompt, Scribble, Voxels
from sam_pet.proposers.lesion import Lesion, cut_off, drawn_voxels, obey, shown_mask
from sam_pet.proposers.stroke_rules import changed, hotter, weighed, within_reach
from sam_pet.proposers.uptake_levels import LEVELS, above_levels
from sam_pet.study import Study
from sam_pet.uptake.peaks import candidates_at
from sam_pet.uptake.regions import look_at

# Where the outlines come from, from what changes least to what changes most.
KINDS = ("standing", "corrected", "far", "shown", "basin", "cooler", "drawn", "model", "network", "level")
# Of an outline of uptake that a tumor stroke adds: which parts of the way to the peak.
_ADDED = (LEVELS.index(0.4), LEVELS.index(0.6))


@dataclass(frozen=True)
class Revision:
    """One outline: its `kind`, what it was before it was made to hold what was drawn (`raw`), and after (`block`)."""

    kind: str
    raw: Block
    block: Block
    expected: float = float("nan")
    level: float = float("nan")


@dataclass(frozen=True)
class Revised:
    """A lesion before and after it was told of a stroke, and the outlines it may have now.

    Attributes:
        old: the lesion with the outline that stands.
        new: with the stroke among its prompts.
        background: axial voxels (n, 3) of all background strokes, anywhere.
        field: the logits that the networks make of all strokes.
        revisions: the outlines, the one that stands first, then the corrected one.
    """

    old: Lesion
    new: Lesion
    background: Voxels
    field: Field
    revisions: tuple[Revision, ...]

    @property
    def stroke(self) -> Prompt:
        return self.new.prompts[-1]

    def taken(self, number: int) -> Lesion:
        """The lesion with one of the outlines."""
        return replace(self.new, block=self.revisions[number].block.trimmed())


def revised(study: Study, old: Lesion, new: Lesion, background: Voxels, field: Field) -> Revised:
    """The outlines of a lesion that has been told of one more stroke.

    Args:
        study: the study.
        old: the lesion before.
        new: with the stroke, and what the tracker makes of it.
        background: axial voxels (n, 3) of all background strokes.
        field: the networks' logits for all strokes.
    """
    stroke = new.prompts[-1]
    standing = old.block.voxels()
    field = field.widened(np.concatenate([standing, stroke.voxels]))
    return Revised(old, new, background, field, tuple(_all(study, old, new, background, field)))


def _all(study: Study, old: Lesion, new: Lesion, background: Voxels, field: Field) -> Iterator[Revision]:
    stroke, tumor = new.prompts[-1], drawn_voxels(new.prompts)
    block = Block(field.corner, np.zeros(field.values.shape, bool))
    block.values[block.rows(old.block.voxels())] = True
    yield _cut("standing", block, block, new, background)
    logits = field.values if new.by_network else weighed(study, field, tumor, background)
    shown = logits > 0 if new.by_network else None
    reach = within_reach(study, stroke.voxels, stroke.label, field.corner, logits.shape, of_uptake=old.of_uptake)
    rows = block.rows(stroke.voxels)
    for kind, here in (("corrected", reach), ("far", np.ones_like(reach))):
        after = Block(field.corner, changed(block.values, logits, rows, stroke.label, here))
        cut = Block(after.corner, after.values.copy())
        cut_off(cut, block.values, new.prompts, background, shown)
        yield Revision(kind, after, cut)
    now = Block(field.corner, field.values > 0)
    yield Revision("shown", now, shown_mask(field, new.prompts, background))
    if stroke.label == "background":
        for peak in candidates_at(study, stroke.voxels)[:1]:
            yield _cut("basin", block.less([Block(peak.corner, peak.basin)]), block, new, background)
        if any(isinstance(prompt, Scribble) and prompt.label == "tumor" for prompt in new.prompts):
            hot = hotter(study, block.corner, block.values, tumor, stroke.voxels)
            yield _cut("cooler", Block(block.corner, block.values & ~hot), block, new, background)
    elif not isinstance(stroke, Box):
        for peak in candidates_at(study, stroke.voxels)[:1]:
            levels = above_levels(look_at(study, peak), stroke.voxels)
            for number in _ADDED:
                yield _obeyed("basin", _joined(block, levels[number]), new, background, level=LEVELS[number])
    nothing = Block(block.corner, np.zeros_like(block.values))
    if new.pointed_at:
        yield _obeyed("drawn", nothing, new, background)
    else:
        yield Revision("drawn", nothing, nothing)
    for other, expected, level in zip(*vars(old.offered).values(), strict=True):
        kind = "level" if level > 0 else "network" if level < 0 else "model"
        yield _obeyed(kind, other, new, background, expected, level)


def _cut(kind: str, raw: Block, before: Block, lesion: Lesion, background: Voxels) -> Revision:
    block = Block(raw.corner, raw.values.copy())
    cut_off(block, before.values, lesion.prompts, background)
    return Revision(kind, raw, block)


def _obeyed(
    kind: str,
    raw: Block,
    lesion: Lesion,
    background: Voxels,
    expected: float = float("nan"),
    level: float = float("nan"),
) -> Revision:
    block = _room(raw, drawn_voxels(lesion.prompts))
    obey(block, lesion.prompts, background)
    return Revision(kind, raw, block, expected, level)


def _room(block: Block, voxels: Voxels) -> Block:
    """A copy of the mask in a box that also holds axial voxels (n, 3)."""
    low, high = np.asarray(block.corner), np.asarray(block.corner) + block.values.shape[::-1]
    if len(voxels):
        low, high = np.minimum(low, voxels.min(axis=0)), np.maximum(high, voxels.max(axis=0) + 1)
    x, y, z = low.tolist()
    return Block((x, y, z), block.within((x, y, z), tuple((high - low)[::-1].tolist())))


def _joined(one: Block, other: Block) -> Block:
    low = np.minimum(one.corner, other.corner)
    high = np.maximum(
        np.asarray(one.corner) + one.values.shape[::-1], np.asarray(other.corner) + other.values.shape[::-1]
    )
    x, y, z = low.tolist()
    shape = tuple((high - low)[::-1].tolist())
    return Block((x, y, z), one.within((x, y, z), shape) | other.within((x, y, z), shape))
