"""Outlines that the uptake alone makes of a lesion: what lies above a level, out to where another peak begins."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_pet.boxes import MaskBox
from sam_pet.prompts import Voxels
from sam_pet.uptake.regions import CandidateRegion

# Parts of the way from the surroundings to the peak.
LEVELS: Sequence[float] = tuple(np.round(np.arange(0.2, 0.81, 0.05), 2).tolist())


def above_levels(region: CandidateRegion, drawn: Voxels, levels: Sequence[float] = LEVELS) -> list[MaskBox]:
    """The voxels of a region's basin above each level, in a box that also holds axial voxels (n, 3)."""
    low, high = np.asarray(region.corner), np.asarray(region.corner) + region.pet.shape[::-1]
    before = np.maximum(low - drawn.min(axis=0), 0)
    after = np.maximum(drawn.max(axis=0) + 1 - high, 0)
    room = list(zip(before[::-1].tolist(), after[::-1].tolist(), strict=True))
    x, y, z = (low - before).tolist()
    return [MaskBox((x, y, z), np.pad(region.basin & (region.pet >= region.level(level)), room)) for level in levels]
