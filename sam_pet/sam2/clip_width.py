"""How wide the first clip around a prompt is, and how it grows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import label as connected

from sam_pet.sam2.clips import Clip, ClipRecipe
from sam_pet.settings import TrackingSettings
from sam_pet.study import Study


def first_clip(
    study: Study, voxels: npt.NDArray[np.int64], recipe: ClipRecipe, size: int, settings: TrackingSettings
) -> Clip:
    """A clip around axial voxels (n, 3).

    On the ladder of widths it takes the first that has room for them and the hot spot there; what is drawn lies in
    it even beyond the ladder.
    """
    low, high = _spot(study, voxels, settings)
    spacing = np.asarray(study.frame_spacing)
    low, high = np.minimum(low, voxels.min(axis=0)), np.maximum(high, voxels.max(axis=0))
    extent = float(((high - low + 1) * spacing)[:2].max())
    width = recipe.first_mm
    while width < settings.room * extent and width * recipe.growth <= recipe.largest_mm:
        width *= recipe.growth
    return covering(study, _around(study, low, high, width, size), voxels, recipe, settings)


def narrow_clip(
    study: Study, voxels: npt.NDArray[np.int64], recipe: ClipRecipe, size: int, settings: TrackingSettings
) -> Clip:
    """The ladder's first width around axial voxels (n, 3), whatever lies there; wider only if they need it."""
    clip = _around(study, voxels.min(axis=0), voxels.max(axis=0), recipe.first_mm, size)
    return covering(study, clip, voxels, recipe, settings)


def _spot(
    study: Study, voxels: npt.NDArray[np.int64], settings: TrackingSettings
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Corners of the hot spot on the prompts' middle slice: what is connected to them and nearly as hot."""
    z = int(np.median(voxels[:, 2]))
    # Of a box there are only the corners, below and above this slice.
    here = voxels[voxels[:, 2] == z] if (voxels[:, 2] == z).any() else voxels
    spacing = np.asarray(study.frame_spacing[:2])
    reach = np.ceil(settings.spot_reach_mm / spacing).astype(int)
    shape = np.array(study.axial_pet.shape[:0:-1])
    start = np.maximum(here[:, :2].min(axis=0) - reach, 0)
    stop = np.minimum(here[:, :2].max(axis=0) + reach + 1, shape)
    plane = study.axial_pet[z, start[1] : stop[1], start[0] : stop[0]]
    local = here[:, :2] - start
    near = plane[
        max(local[:, 1].min() - 1, 0) : local[:, 1].max() + 2, max(local[:, 0].min() - 1, 0) : local[:, 0].max() + 2
    ]
    groups, _ = connected(plane >= settings.spot_part * max(float(near.max()), 1e-6))
    numbers = np.unique(groups[local[:, 1], local[:, 0]])
    rows, columns = np.nonzero(np.isin(groups, numbers[numbers > 0]))
    if not rows.size:
        return here.min(axis=0).astype(float), here.max(axis=0).astype(float)
    corner = np.array([start[0], start[1], 0])
    return (
        corner + np.array([columns.min(), rows.min(), z], float),
        corner + np.array([columns.max(), rows.max(), z], float),
    )


def covering(
    study: Study, clip: Clip, voxels: npt.NDArray[np.int64], recipe: ClipRecipe, settings: TrackingSettings
) -> Clip:
    """The clip itself if axial voxels (n, 3) lie well inside it, else a wider one around both."""
    pixels = clip.to_pixels(voxels)
    margin = settings.edge_part * clip.size
    first, last = min(clip.first, int(voxels[:, 2].min())), max(clip.last, int(voxels[:, 2].max()))
    if (pixels >= margin).all() and (pixels <= clip.size - 1 - margin).all():
        return clip if (first, last) == (clip.first, clip.last) else replace(clip, first=first, last=last)
    spacing = np.asarray(clip.spacing)
    half = clip.width_mm / 2 / spacing
    low = np.minimum(np.asarray(clip.center) - half, voxels[:, :2].min(axis=0))
    high = np.maximum(np.asarray(clip.center) + half, voxels[:, :2].max(axis=0))
    middle = (low + high) / 2
    width = max(clip.width_mm * recipe.growth, settings.room * float(((high - low) * spacing).max()))
    return _clip(study, (float(middle[0]), float(middle[1])), width, clip.size, first, last)


def grown(
    study: Study, clip: Clip, low: npt.NDArray[np.int64], high: npt.NDArray[np.int64], recipe: ClipRecipe
) -> Clip:
    """A clip one step wider, around the mask whose axial corners (x, y, z) are `low` and `high`."""
    return _around(study, low, high, clip.width_mm * recipe.growth, clip.size)


def _around(
    study: Study, low: npt.NDArray[np.number[Any]], high: npt.NDArray[np.number[Any]], width: float, size: int
) -> Clip:
    """A clip around the middle of the box between axial corners (x, y, z)."""
    middle = (low + high) / 2
    return _clip(study, (float(middle[0]), float(middle[1])), width, size, int(low[2]), int(high[2]))


def _clip(study: Study, center: tuple[float, float], width: float, size: int, low: int, high: int) -> Clip:
    """As long as it is wide, around slices `low`..`high`, within the volume."""
    sx, sy, sz = study.frame_spacing
    reach = max(int(np.ceil(width / 2 / sz)) - (high - low) // 2, 1)
    depth = study.axial_pet.shape[0]
    return Clip(center, width, size, (sx, sy), max(low - reach, 0), min(high + reach, depth - 1))
