"""A lesion: what was drawn of it, what the tracker remembers, its mask; and what holds of any mask of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt

from sam_pet.boxes import CONNECTIVITY, LogitBox, MaskBox
from sam_pet.prompts import Box, Prompt, Voxels
from sam_pet.proposers.first_features import FIRST_NAMES, Floats
from sam_pet.sam2.clips import Clip
from sam_pet.sam2.memory import MemoryBank

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Outlines:
    """What a lesion of one prompt may be: the model's mask, the 3-D network's, then levels of uptake.

    `features` (n, `FIRST_NAMES`) are known of each.
    """

    blocks: tuple[MaskBox, ...] = ()
    features: Floats = field(default_factory=lambda: np.zeros((0, len(FIRST_NAMES)), np.float32))


@dataclass(frozen=True)
class Lesion:
    """One object: its prompts in axial voxels, what the tracker remembers of it, its mask, and how sure the model is.

    `score` is the model's object score (a logit) on the slices of the first prompt, the best of them, in a narrow
    window: in one as wide as an organ it says little. NaN where nothing was shown. `of_uptake` tells whether the mask
    began as an outline that follows uptake instead of what the model shows, `contour_mm` how wide the cubes are in
    which the contour network corrects it; None where the model does. `expected` is the Dice expected of the mask,
    `outlines` are those that it was first chosen from. Of the prompts the first `found` are clicks of a first answer
    that took it for a lesion with this `probability`, and no reader's.
    """

    prompts: tuple[Prompt, ...]
    clip: Clip
    bank: MemoryBank
    block: MaskBox
    score: float
    of_uptake: bool = False
    contour_mm: float | None = None
    expected: float = float("nan")
    outlines: Outlines = Outlines()
    found: int = 0
    probability: float = float("nan")

    @property
    def by_network(self) -> bool:
        """Whether the contour network corrects it, and not the tracker."""
        return self.contour_mm is not None

    def unseen(self) -> Lesion:
        """The lesion as one of a first answer: none of its prompts is a reader's."""
        return replace(self, found=len(self.prompts))

    def tidied(self) -> Lesion:
        """The lesion without pieces of a single voxel that nobody drew."""
        pieces = cc3d.connected_components(self.block.values, connectivity=CONNECTIVITY)
        lone = np.bincount(pieces.ravel()) == 1
        lone[0] = False
        drawn = pieces[self.block.rows(drawn_voxels(self.prompts[self.found :]))]
        lone[drawn] = False
        if not lone.any():
            return self
        return replace(self, block=MaskBox(self.block.corner, self.block.values & ~lone[pieces]))

    @property
    def pointed_at(self) -> bool:
        """Whether a reader has drawn tumor on it."""
        return any(prompt.label == "tumor" for prompt in self.prompts[self.found :])


def shown_mask(field: LogitBox, prompts: Sequence[Prompt], background: Voxels) -> MaskBox:
    """The mask that logits make, with what was drawn."""
    block = MaskBox(field.corner, field.values > 0)
    obey(block, prompts, background)
    return block


def obey(block: MaskBox, prompts: Sequence[Prompt], background: Voxels) -> None:
    """Give a mask, in place, what was drawn: tumor voxels and what is connected to them, no background voxels."""
    mask = block.values
    mask[block.rows(background)] = False
    drawn = [block.rows(voxels) for voxels in _drawn(prompts)]
    _keep_connected(mask, drawn)
    for rows in drawn:
        mask[rows] = True
    mask[block.rows(background)] = False


def cut_off(
    block: MaskBox,
    before: Bools,
    prompts: Sequence[Prompt],
    background: Voxels,
    shown: Bools | None = None,
    still_shown: float = 1.0,
) -> None:
    """Give a corrected mask, in place, what was drawn, less the pieces that the correction cut off from it.

    A piece that hung together with nothing drawn `before` stays: a click in a cold core may stand alone. So does one
    of which more than the part `still_shown` is still `shown` by what has seen all strokes.
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
            stays = np.concatenate([stays, np.flatnonzero(share > still_shown)])
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
