"""A mask divided between the strokes in it: each voxel goes with the label that is nearer, uptake being the way."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter
from skimage.graph import MCP_Geometric

from sam_pet.boxes import MaskBox
from sam_pet.prompts import Voxels
from sam_pet.settings import StrokeSettings
from sam_pet.study import Study, Volume


def nearer_to_tumor(
    study: Study, block: MaskBox, tumor: Voxels, background: Voxels, settings: StrokeSettings
) -> npt.NDArray[np.bool_]:
    """The part of a mask, [z, y, x], from which the way to tumor strokes is shorter than to background strokes.

    Ways lie in the mask; nothing is nearer to tumor strokes of which none lies in it.

    Args:
        study: the study.
        block: the mask.
        tumor: axial voxels (n, 3) of tumor strokes.
        background: those of background strokes.
        settings: how long ways are.
    """
    mask = block.values
    spacing = study.frame_spacing[::-1]
    log_suv = np.log1p(np.maximum(study.axial_pet[block.slices], 0))
    cost = np.where(mask, geodesic_cost(log_suv, spacing, settings), -1)
    away = _distance(cost, block.rows(background), spacing)
    ours = np.zeros(mask.shape, bool)
    ours[block.rows(tumor)] = True
    ours[block.rows(background)] = False
    found: npt.NDArray[np.bool_] = mask & (_distance(cost, np.nonzero(ours & mask), spacing) < away)
    return found


def geodesic_cost(
    log_suv: Volume, spacing: tuple[float, ...], settings: StrokeSettings
) -> npt.NDArray[np.floating[Any]]:
    """What a mm of a way costs at each voxel [z, y, x] of an image of log(1 + SUV), `spacing` likewise.

    One unit of it is as far as `split_mm`, as in Criminisi et al. 2008 (doi 10.1007/978-3-540-88682-2_9).
    """
    steps = np.gradient(gaussian_filter(log_suv, settings.split_smooth_voxels), *spacing)
    cost: npt.NDArray[np.floating[Any]] = np.sqrt(1 + settings.split_mm**2 * sum(step**2 for step in steps))
    return cost


def _distance(
    cost: npt.NDArray[np.floating[Any]], seeds: tuple[npt.NDArray[np.int64], ...], spacing: tuple[float, ...]
) -> npt.NDArray[np.floating[Any]]:
    inside = cost[seeds] > 0
    starts = np.column_stack(seeds)[inside]
    if not len(starts):
        return np.full(cost.shape, np.inf)
    found: npt.NDArray[np.floating[Any]] = MCP_Geometric(cost, sampling=spacing).find_costs(starts)[0]
    return found
