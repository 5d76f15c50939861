"""The outlines that a lesion may have: SAM 2's, the contour network's, and levels of uptake."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sam_pet.boxes import LogitBox, MaskBox
from sam_pet.prompts import Voxels
from sam_pet.proposers.lesion import Lesion, Offered, drawn_voxels, obey, shown_mask
from sam_pet.proposers.outline_features import NAMES, Floats, NetworkOutline, OutlineContext
from sam_pet.proposers.sam2 import Sam2Proposer
from sam_pet.proposers.uptake_levels import above_levels
from sam_pet.proposers.volume_input import WIDTHS_MM
from sam_pet.uptake.peaks import candidates_at
from sam_pet.uptake.regions import crop_candidate

if TYPE_CHECKING:
    from sam_pet.proposers.refiner import Refiner
    from sam_pet.proposers.volume_net import VolumeNetwork

# In cubes wider than this cells are too coarse to correct a lesion in.
FINE_MM = 128.0
# A cube in which a lesion is corrected is so much wider than it.
_ROOM = 1.3
# The weight of the contour network's widest cube beside the model's logits: of 0.5, 1 and 2, seen on all 31 sarcomas.
_WIDEST_WEIGHT = 0.5
_LEVEL = NAMES.index("level")


@dataclass(frozen=True)
class Outlines:
    """What a lesion of one prompt may be: the model's mask, the contour network's, then levels of uptake.

    `blocks` with their `features` (n, `outline.features.NAMES`); `widths` are the cubes of the network's, in mm.
    """

    blocks: list[MaskBox]
    features: Floats
    widths: tuple[float, ...] = ()

    def offered(self, expected: Floats) -> Offered:
        """What a lesion keeps of them, with the Dice (n,) expected of each."""
        levels = self.features[:, _LEVEL].tolist()
        return Offered(tuple(block.trimmed() for block in self.blocks), tuple(expected.tolist()), tuple(levels))

    def chosen(self, lesion: Lesion, number: int, spacing: tuple[float, ...]) -> Lesion:
        """The lesion with one of these as its mask, on voxels of this `spacing` (x, y, z)."""
        block, width = self.blocks[number].trimmed(), None
        if number > 0 and self.widths:
            width = self.widths[number - 1] if number <= len(self.widths) else cube_round(block, spacing)
            width = width if width <= FINE_MM else None
        return replace(lesion, block=block, of_uptake=number > 0, contour_mm=width)


def cube_round(block: MaskBox, spacing: tuple[float, ...]) -> float:
    """How wide, in mm, the contour network's cubes for a mask are, on voxels of this `spacing` (x, y, z)."""
    extent = float((np.array(block.values.shape) * spacing[::-1]).max())
    return next((width for width in WIDTHS_MM if width >= _ROOM * extent), WIDTHS_MM[-1])


@dataclass(frozen=True)
class Proposers:
    """All that proposes outlines in one study.

    Attributes:
        sam2: tracks lesions.
        refiner: corrects what it shows, where there is one.
        contour: outlines lesions by itself, where there is one.
    """

    sam2: Sam2Proposer
    refiner: Refiner | None = None
    contour: VolumeNetwork | None = None

    def logits(self, lesion: Lesion, background: Voxels, widest: LogitBox | None = None) -> LogitBox:
        """The logits that make the mask; `widest` are the contour network's in its widest cube, if they are known."""
        drawn = drawn_voxels(lesion.prompts)
        if lesion.contour_mm is not None and self.contour is not None:
            return self.contour.predict_logits(self.sam2.study, drawn, background, lesion.contour_mm)
        if self.refiner is None:
            field = self.sam2.logits(lesion.clip, lesion.bank)
        else:
            field = self.refiner.refine(self.sam2.study, lesion.clip, lesion.bank.all(), drawn, background)
        if self.contour is None or not len(drawn):
            return field
        widest = widest or self.contour.predict_logits(self.sam2.study, drawn, background, WIDTHS_MM[-1])
        return field.plus(widest, _WIDEST_WEIGHT)

    def outlines(self, lesion: Lesion, background: Voxels) -> Outlines:
        """The outlines that a lesion of one click or stroke may have, the model's first."""
        drawn, tumor = lesion.prompts[0].voxels, drawn_voxels(lesion.prompts)
        regions = [crop_candidate(self.sam2.study, candidate) for candidate in candidates_at(self.sam2.study, drawn)]
        contour = self.contour if regions and len(tumor) else None
        widths = WIDTHS_MM if contour is not None else ()
        cubes = (
            [] if contour is None else [contour.predict_logits(self.sam2.study, tumor, background, w) for w in widths]
        )
        field = self.logits(replace(lesion, contour_mm=None), background, cubes[-1] if cubes else None)
        model = shown_mask(field, lesion.prompts, background)
        if not regions:
            return Outlines([model], np.zeros((1, len(NAMES)), np.float32))
        fields = [cube.widened(tumor) for cube in cubes]
        contours = [NetworkOutline(each, shown_mask(each, lesion.prompts, background)) for each in fields]
        hottest = regions[0].candidate.suv
        width_mm = lesion.clip.width_mm
        known = [
            OutlineContext(self.sam2.study, drawn, lesion.score, width_mm, field, model, contours, region, hottest)
            for region in regions
        ]
        blocks, features = [model, *(contour.block for contour in contours)], [known[0].describe_networks()]
        for prompted in known:
            levels = above_levels(prompted.region, drawn)
            for block in levels:
                obey(block, lesion.prompts, background)
            features.append(prompted.describe(levels))
            blocks += levels
        return Outlines(blocks, np.concatenate(features), widths)
