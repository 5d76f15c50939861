"""The outlines that a lesion may have after a stroke: the one that stands, those that the stroke makes of it, none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from sam_pet.boxes import LogitBox, MaskBox
from sam_pet.prompts import Box, Click, Prompt, Scribble, Voxels
from sam_pet.proposers.first_features import LEVEL
from sam_pet.proposers.geodesic_split import nearer_to_tumor
from sam_pet.proposers.lesion import Lesion, cut_off, drawn_voxels, obey, shown_mask
from sam_pet.proposers.stroke_rules import add_stroke_affinity, apply_stroke, hotter_component, stroke_region
from sam_pet.proposers.uptake_levels import above_levels
from sam_pet.settings import StrokeSettings
from sam_pet.study import Study
from sam_pet.uptake.peaks import candidates_at
from sam_pet.uptake.regions import crop_candidate

Bools = npt.NDArray[np.bool_]
# Where the outlines come from, from what changes least to what changes most.
KINDS = ("standing", "corrected", "far", "shown", "basin", "divided", "cooler", "drawn", "model", "network", "level")
CORRECTED = KINDS.index("corrected")


@dataclass(frozen=True)
class Revision:
    """One outline: its `kind`, what it was before it was made to hold what was drawn (`raw`), and after (`block`)."""

    kind: str
    raw: MaskBox
    block: MaskBox
    level: float = float("nan")


@dataclass(frozen=True)
class Revised:
    """A lesion before and after a stroke, and the outlines it may have now.

    Attributes:
        study: the study.
        old: the lesion with the outline that stands.
        new: with the stroke among its prompts.
        background: axial voxels (n, 3) of all background strokes, anywhere.
        field: the logits that the networks make of all strokes.
        changes: the outline that stands, then the corrected one and others that the stroke makes of it, then nothing.
    """

    study: Study
    old: Lesion
    new: Lesion
    background: Voxels
    field: LogitBox
    changes: tuple[Revision, ...]

    @cached_property
    def revisions(self) -> tuple[Revision, ...]:
        """All outlines: `changes`, and those that the lesion was chosen from."""
        return (*self.changes, *_at_first(self.old, self.new, self.background))

    @property
    def corrected(self) -> Revision:
        """The outline that stands, with what the networks say near the stroke."""
        return self.changes[CORRECTED]

    @property
    def stroke(self) -> Prompt:
        return self.new.prompts[-1]

    def taken(self, revision: Revision, expected: float = float("nan")) -> Lesion:
        """The lesion with one of the outlines, of which this Dice is expected.

        Where no reader has pointed at it, of the first answer's clicks those outside are gone; with none left there is
        one at the hottest voxel.
        """
        lesion = replace(self.new, block=revision.block.trimmed(), expected=expected)
        if not lesion.found or lesion.pointed_at or not lesion.block.values.any():
            return lesion
        clicks = [prompt for prompt in lesion.prompts[: lesion.found] if lesion.block.touches(prompt.voxels)]
        clicks = clicks or [self._hottest(lesion.block)]
        return replace(lesion, prompts=(*clicks, *lesion.prompts[lesion.found :]), found=len(clicks))

    def _hottest(self, block: MaskBox) -> Click:
        pet = np.where(block.values, self.study.axial_pet[block.slices], -np.inf)
        z, y, x = np.add(np.unravel_index(int(pet.argmax()), pet.shape), block.corner[::-1]).tolist()
        return Click((x, y, z))


def revised(
    study: Study, old: Lesion, new: Lesion, background: Voxels, field: LogitBox, settings: StrokeSettings
) -> Revised:
    """The outlines of a lesion after one more stroke.

    Args:
        study: the study.
        old: the lesion before.
        new: with the stroke, and what the tracker makes of it.
        background: axial voxels (n, 3) of all background strokes.
        field: the networks' logits for all strokes.
        settings: what a stroke changes.
    """
    stroke = new.prompts[-1]
    standing = old.block.voxels()
    field = field.widened(np.concatenate([standing, stroke.voxels]))
    changes = tuple(_changes(study, old, new, background, field, settings))
    return Revised(study, old, new, background, field, changes)


def _changes(
    study: Study, old: Lesion, new: Lesion, background: Voxels, field: LogitBox, settings: StrokeSettings
) -> Iterator[Revision]:
    stroke, tumor = new.prompts[-1], drawn_voxels(new.prompts)
    block = MaskBox(field.corner, np.zeros(field.values.shape, bool))
    block.values[block.rows(old.block.voxels())] = True
    yield _cut("standing", block, block, new, background)
    logits = field.values if new.by_network else add_stroke_affinity(study, field, tumor, background, settings)
    shown = logits > 0 if new.by_network else None
    reach = stroke_region(
        study, stroke.voxels, stroke.label, field.corner, logits.shape, settings, of_uptake=old.of_uptake
    )
    rows = block.rows(stroke.voxels)
    for kind, here in (("corrected", reach), ("far", np.ones_like(reach))):
        after = MaskBox(field.corner, apply_stroke(block.values, logits, rows, stroke.label, here))
        cut = MaskBox(after.corner, after.values.copy())
        cut_off(cut, block.values, new.prompts, background, shown, settings.still_shown_part)
        yield Revision(kind, after, cut)
    now = MaskBox(field.corner, field.values > 0)
    yield Revision("shown", now, shown_mask(field, new.prompts, background))
    if stroke.label == "background":
        for peak in candidates_at(study, stroke.voxels)[:1]:
            rest = block.less([MaskBox(peak.corner, peak.basin)])
            yield _cut("basin", rest, block, new, background) if new.pointed_at else _without("basin", rest, background)
        ours = nearer_to_tumor(study, block, tumor, background, settings)
        yield _without("divided", MaskBox(block.corner, ours), background)
        hot = _hotter_than_drawn(study, block, new)
        if hot.any():
            yield _cut("cooler", MaskBox(block.corner, block.values & ~hot), block, new, background)
    elif not isinstance(stroke, Box):
        for peak in candidates_at(study, stroke.voxels)[:1]:
            levels = (settings.added_low, settings.added_high)
            outlines = above_levels(crop_candidate(study, peak), stroke.voxels, levels)
            for level, added in zip(levels, outlines, strict=True):
                yield _obeyed("basin", _joined(block, added), new, background, level)
    nothing = MaskBox(block.corner, np.zeros_like(block.values))
    if new.pointed_at:
        yield _obeyed("drawn", nothing, new, background)
    else:
        yield Revision("drawn", nothing, nothing)


def _at_first(old: Lesion, new: Lesion, background: Voxels) -> Iterator[Revision]:
    known = old.outlines
    for block, level in zip(known.blocks, known.features[:, LEVEL].tolist(), strict=True):
        kind = "level" if level > 0 else "network" if level < 0 else "model"
        yield _obeyed(kind, block, new, background, level)


def _hotter_than_drawn(study: Study, block: MaskBox, lesion: Lesion) -> Bools:
    """What is hotter than all that was drawn as tumor. A click does not count: it may lie in a necrosis."""
    if not any(isinstance(prompt, Scribble) and prompt.label == "tumor" for prompt in lesion.prompts):
        return np.zeros(block.values.shape, bool)
    return hotter_component(study, block.corner, block.values, drawn_voxels(lesion.prompts), lesion.prompts[-1].voxels)


def _cut(kind: str, raw: MaskBox, before: MaskBox, lesion: Lesion, background: Voxels) -> Revision:
    block = MaskBox(raw.corner, raw.values.copy())
    cut_off(block, before.values, lesion.prompts, background)
    return Revision(kind, raw, block)


def _without(kind: str, raw: MaskBox, background: Voxels) -> Revision:
    block = MaskBox(raw.corner, raw.values.copy())
    block.values[block.rows(background)] = False
    return Revision(kind, raw, block)


def _obeyed(kind: str, raw: MaskBox, lesion: Lesion, background: Voxels, level: float = float("nan")) -> Revision:
    block = _room(raw, drawn_voxels(lesion.prompts))
    obey(block, lesion.prompts, background)
    return Revision(kind, raw, block, level)


def _room(block: MaskBox, voxels: Voxels) -> MaskBox:
    """A copy of the mask in a box that also holds axial voxels (n, 3)."""
    low, high = np.asarray(block.corner), np.asarray(block.corner) + block.values.shape[::-1]
    if len(voxels):
        low, high = np.minimum(low, voxels.min(axis=0)), np.maximum(high, voxels.max(axis=0) + 1)
    x, y, z = low.tolist()
    return MaskBox((x, y, z), block.within((x, y, z), tuple((high - low)[::-1].tolist())))


def _joined(one: MaskBox, other: MaskBox) -> MaskBox:
    low = np.minimum(one.corner, other.corner)
    high = np.maximum(
        np.asarray(one.corner) + one.values.shape[::-1], np.asarray(other.corner) + other.values.shape[::-1]
    )
    x, y, z = low.tolist()
    shape = tuple((high - low)[::-1].tolist())
    return MaskBox((x, y, z), one.within((x, y, z), shape) | other.within((x, y, z), shape))
