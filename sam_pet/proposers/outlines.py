"""The outlines that a lesion may have: SAM 2's, the contour network's, and levels of uptake."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from sam_pet.boxes import LogitBox, MaskBox
from sam_pet.prompts import Voxels
from sam_pet.proposers.first_features import FIRST_NAMES, LEVEL, NetworkOutline, OutlineContext
from sam_pet.proposers.lesion import Lesion, Outlines, drawn_voxels, obey, shown_mask
from sam_pet.proposers.sam2 import Sam2Proposer
from sam_pet.proposers.uptake_levels import above_levels
from sam_pet.proposers.volume_input import WIDTHS_MM
from sam_pet.settings import DEFAULTS, OutlineSettings
from sam_pet.uptake.peaks import candidates_at
from sam_pet.uptake.regions import crop_candidate

if TYPE_CHECKING:
    from sam_pet.proposers.volume_net import VolumeNetwork


@dataclass(frozen=True)
class Proposers:
    """All that proposes outlines in one study.

    Attributes:
        sam2: tracks lesions.
        contour: outlines lesions by itself, where there is one.
        settings: what their logits make of a lesion.
    """

    sam2: Sam2Proposer
    contour: VolumeNetwork | None = None
    settings: OutlineSettings = DEFAULTS.outlines

    @property
    def fine_widths(self) -> list[float]:
        """How wide, in mm, the contour network's cubes are whose cells are fine enough to correct a lesion in."""
        return [width for width in WIDTHS_MM if width <= self.settings.fine_mm]

    def cube_mm(self, block: MaskBox) -> float | None:
        """How wide the cubes are in which the contour network corrects a mask; None where they are not fine."""
        extent = float((np.array(block.values.shape) * self.sam2.study.frame_spacing[::-1]).max())
        wanted = self.sam2.settings.room * extent
        return self._if_fine(next((width for width in WIDTHS_MM if width >= wanted), WIDTHS_MM[-1]))

    def _if_fine(self, width: float) -> float | None:
        return width if self.contour is not None and width in self.fine_widths else None

    def chosen(self, lesion: Lesion, outlines: Outlines, number: int) -> Lesion:
        """The lesion with one of its outlines as its mask, corrected where that was drawn or has room."""
        block, level = outlines.blocks[number], int(np.floor(outlines.features[number, LEVEL]))
        # Of the model the level is 0, of the network's cubes -1, -2 ...
        width = self._if_fine(WIDTHS_MM[-level - 1]) if level < 0 else self.cube_mm(block)
        return replace(
            lesion,
            block=block,
            of_uptake=number > 0,
            contour_mm=width if number > 0 else None,
            outlines=outlines,
        )

    def logits(
        self,
        lesion: Lesion,
        background: Voxels,
        widest: LogitBox | None = None,
        standing: MaskBox | None = None,
    ) -> LogitBox:
        """The logits that make the mask; `widest` are the contour network's in its widest cube, if they are known.

        `standing` is the mask that the newest stroke corrects.
        """
        drawn = drawn_voxels(lesion.prompts)
        if lesion.contour_mm is not None and self.contour is not None:
            return self._cube(self.contour, drawn, background, lesion.contour_mm, standing)
        field = self.sam2.logits(lesion.clip, lesion.bank)
        if self.contour is None or not len(drawn):
            return field
        widest = widest or self._cube(self.contour, drawn, background, WIDTHS_MM[-1], standing)
        return field.plus(widest, self.settings.widest_weight)

    def _cube(
        self,
        contour: VolumeNetwork,
        drawn: Voxels,
        background: Voxels,
        width_mm: float,
        standing: MaskBox | None = None,
    ) -> LogitBox:
        narrowest = self.settings.narrowest_probability
        return contour.predict_logits(self.sam2.study, drawn, background, width_mm, narrowest, standing)

    def outlines(self, lesion: Lesion, background: Voxels) -> Outlines:
        """The outlines that a lesion of one click or stroke may have, the model's first."""
        drawn, tumor = lesion.prompts[0].voxels, drawn_voxels(lesion.prompts)
        regions = [crop_candidate(self.sam2.study, candidate) for candidate in candidates_at(self.sam2.study, drawn)]
        contour = self.contour if regions and len(tumor) else None
        cubes = [] if contour is None else [self._cube(contour, tumor, background, width) for width in WIDTHS_MM]
        field = self.logits(replace(lesion, contour_mm=None), background, cubes[-1] if cubes else None)
        model = shown_mask(field, lesion.prompts, background)
        if not regions:
            return Outlines((model.trimmed(),), np.zeros((1, len(FIRST_NAMES)), np.float32))
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
        return Outlines(tuple(block.trimmed() for block in blocks), np.concatenate(features))
