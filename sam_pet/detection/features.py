"""Features that tell a lesion from physiology; NaN where one is not known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.detection.body import Body
from sam_pet.detection.tracer import Tracer
from sam_pet.study import Study
from sam_pet.uptake.regions import CandidateRegion

Floats = npt.NDArray[np.floating[Any]]
Bools = npt.NDArray[np.bool_]
NAMES = (
    *("suv", "suv_to_liver", "suv_to_background", "suv_mean", "prominence", "contrast", "around_to_liver"),
    *(
        "volume",
        "half_volume",
        "joined",
        "plateau",
        "plateau_suv",
        "elongation",
        "flatness",
        "height",
        "compactness",
        "edge",
    ),
    *("hu", "hu_spread", "hu_low", "hu_high", "shell_hu", "shell_lung", "shell_fat", "shell_bone", "bone"),
    *("right", "sideways", "depth", "backwards", "below_top", "below_apex", "above_base", "above_crotch", "in_lungs"),
    *("to_lungs", "liver_x", "liver_y", "liver_z", "mirror", "rank", "count", "near_count", "near_hottest"),
    *("voxel_ml", "liver", "tracer"),
)
# Known once the model has been prompted.
MODEL_NAMES = ("object_score", "agreement", "model_volume")
_LUNG_HU, _FAT_HU, _BONE_HU = -500.0, (-150.0, -20.0), 150.0
_SHELL_MM = (3.0, 9.0)
_NEAR_MM = 50.0
_SMALL = 1e-3


def describe(
    study: Study, body: Body, tracer: Tracer, regions: Sequence[CandidateRegion], masks: Sequence[Bools]
) -> Floats:
    """One row of `NAMES` for each region with its mask."""
    spacing = np.asarray(study.frame_spacing)
    places = np.array([region.candidate.peak for region in regions], float).reshape(-1, 3) * spacing
    suvs = np.array([region.candidate.suv for region in regions], float)
    rows = []
    for i, (region, mask) in enumerate(zip(regions, masks, strict=True)):
        rows.append(
            [
                *_uptake(region, mask, body),
                *_shape(region, mask, spacing),
                *_density(region, mask),
                *_place(body, places[i]),
                _mirror(body, places[i], suvs[i]),
                *_company(i, places, suvs),
                np.log(study.grid.voxel_ml),
                np.log(body.reference),
                float(tracer == "psma"),
            ]
        )
    return np.array(rows, np.float32).reshape(-1, len(NAMES))


def _uptake(region: CandidateRegion, mask: Bools, body: Body) -> list[float]:
    suv = max(region.candidate.suv, _SMALL)
    return [
        np.log(suv),
        np.log(suv / body.reference),
        np.log(suv / body.background),
        float(region.pet[mask].mean()) / suv,
        np.log(region.candidate.prominence),
        np.log(suv / max(region.around, 0.05)),
        region.around / body.reference,
    ]


def _shape(region: CandidateRegion, mask: Bools, spacing: Floats) -> list[float]:
    voxel_ml = float(np.prod(spacing)) / 1000
    at = np.stack(np.nonzero(mask), axis=1) * spacing[::-1]
    # A voxel is no point: its own extent keeps the axes of small regions above 0.
    axes = np.sqrt(np.linalg.eigvalsh(np.cov(at.T, ddof=0).reshape(3, 3) + np.diag(spacing[::-1] ** 2 / 12)))
    extent = (np.ptp(at, axis=0) + spacing[::-1]).astype(float)
    outside = region.pet[(region.away > 0) & (region.away < 4.0) & ~mask]
    return [
        np.log(len(at) * voxel_ml),
        np.log(max(int((region.away == 0).sum()), 1) * voxel_ml),
        np.log(region.candidate.joined_ml + _SMALL),
        np.log(region.candidate.parent_ml + _SMALL),
        region.candidate.parent_suv / max(region.candidate.suv, _SMALL),
        np.log(axes[2] / axes[0]),
        np.log(axes[1] / axes[0]),
        np.log(extent[0]),
        len(at) * voxel_ml * 1000 / float(np.prod(extent)),
        float(outside.mean()) / max(region.candidate.suv, _SMALL) if outside.size else np.nan,
    ]


def _density(region: CandidateRegion, mask: Bools) -> list[float]:
    if region.ct is None:
        return [np.nan] * 9
    inside = region.ct[mask]
    low, high = np.percentile(inside, (10, 90))
    shell = region.ct[(region.away > _SHELL_MM[0]) & (region.away < _SHELL_MM[1])]
    shell = shell if shell.size else inside
    return [
        float(inside.mean()),
        float(inside.std()),
        float(low),
        float(high),
        float(shell.mean()),
        float((shell < _LUNG_HU).mean()),
        float(((shell > _FAT_HU[0]) & (shell < _FAT_HU[1])).mean()),
        float((shell > _BONE_HU).mean()),
        float((inside > _BONE_HU).mean()),
    ]


def _place(body: Body, point: Floats) -> list[float]:
    z, y, x = body.block(point)
    off = point[0] - body.middle
    rows = np.flatnonzero(body.outline[z].any(axis=1))
    lungs = body.apex - body.base
    return [
        off,
        abs(off),
        float(body.depth[z, y, x]),
        (rows[-1] + 1) * body.spacing[1] - point[1] if rows.size else np.nan,
        body.top - point[2],
        body.apex - point[2],
        point[2] - body.base,
        point[2] - body.crotch,
        (point[2] - body.base) / lungs if lungs > 0 else np.nan,
        np.nan if body.to_lungs is None else float(body.to_lungs[z, y, x]),
        *(np.asarray(point) - np.asarray(body.liver_at)),
    ]


def _mirror(body: Body, point: Floats, suv: float) -> float:
    """The hottest block near the same place on the other side, relative to the uptake here."""
    z, y, x = body.block((2 * body.middle - point[0], point[1], point[2]))
    near = body.pet[max(z - 1, 0) : z + 2, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
    return float(near.max()) / max(suv, _SMALL)


def _company(i: int, places: Floats, suvs: Floats) -> list[float]:
    distance = np.linalg.norm(places - places[i], axis=1)
    near = (distance < _NEAR_MM) & (distance > 0)
    alike = suvs >= 0.5 * suvs[i]
    return [
        float((suvs > suvs[i]).sum()),
        float(alike.sum()),
        float((near & alike).sum()),
        float(suvs[near].max(initial=0.0)) / max(suvs[i], _SMALL),
    ]
