"""What tells how well an outline fits a lesion after a stroke, as numbers; what is not known is NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from sam_pet.boxes import MaskBox
from sam_pet.prompts import Voxels
from sam_pet.proposers.lesion import drawn_voxels
from sam_pet.proposers.revisions import KINDS, Revised, Revision
from sam_pet.study import Study

Floats = npt.NDArray[np.floating[Any]]
_OF_STROKE = (
    *("tumor", "length", "voxels", "stroke_suv", "stroke_spread", "tumor_strokes", "background_strokes"),
    *("pointed_at", "found", "probability", "by_network", "standing_volume"),
)
_OF_OUTLINE = (
    *("kind", "level", "missed", "missed_now", "held", "held_now", "denied"),
    *("depth", "section", "spanned", "of_largest"),
    *("volume", "to_standing", "of_standing", "like_corrected", "like_shown"),
    *("mean", "hottest", "coldest", "stroke_to_mean", "stroke_to_hottest", "drawn_to_mean", "logit", "shown"),
    *("gained", "gained_suv", "gained_logit", "lost", "lost_suv", "lost_logit"),
)
STROKE_NAMES = (*_OF_STROKE, *_OF_OUTLINE)
_SMALL = 1e-3
# What `gained` is where an outline adds nothing to the one that stands.
GAINS_NOTHING = float(np.float32(np.log(_SMALL)))


def describe_revisions(study: Study, revised: Revised) -> Floats:
    """Rows of `STROKE_NAMES`, one for each outline."""
    stroke = _of_stroke(study, revised)
    shown = MaskBox(revised.field.corner, revised.field.values > 0)
    return np.array([[*stroke, *_of_outline(study, revised, one, shown)] for one in revised.revisions], np.float32)


def _of_stroke(study: Study, revised: Revised) -> list[float]:
    stroke, lesion = revised.stroke, revised.new
    suv = _uptake(study, stroke.voxels)
    labels = [prompt.label for prompt in lesion.prompts[lesion.found :]]
    return [
        float(stroke.label == "tumor"),
        float(np.linalg.norm(np.ptp(stroke.voxels, axis=0) * np.asarray(study.frame_spacing))),
        float(np.log(len(stroke.voxels))),
        _log(float(np.median(suv))),
        float(suv.std() / max(float(suv.mean()), _SMALL)),
        labels.count("tumor"),
        labels.count("background"),
        float(lesion.pointed_at),
        float(lesion.found > 0),
        lesion.probability,
        float(lesion.by_network),
        _log(int(revised.old.block.values.sum()) * study.grid.voxel_ml),
    ]


def _of_outline(study: Study, revised: Revised, one: Revision, shown: MaskBox) -> list[float]:
    block, ml = one.block.trimmed(), study.grid.voxel_ml
    size = int(block.values.sum())
    stroke = revised.stroke.voxels
    tumor = revised.stroke.label == "tumor"
    background = [p.voxels for p in revised.new.prompts[revised.new.found :] if p.label == "background"]
    drawn = drawn_voxels(revised.new.prompts)
    standing = revised.old.block
    shared = _shared(block, standing)
    pet = study.axial_pet[block.slices]
    inside = pet[block.values]
    mean, hottest, coldest = (
        (float(inside.mean()), *np.percentile(inside, (95, 10)).tolist()) if size else (np.nan, np.nan, np.nan)
    )
    logits = revised.field.within(block.corner, block.values.shape)
    own = block.values
    gained = own & ~standing.within(block.corner, own.shape)
    lost = standing.values & ~block.within(standing.corner, standing.values.shape)
    lost_logits = revised.field.within(standing.corner, lost.shape)[lost]
    suv = max(float(np.median(_uptake(study, stroke))), _SMALL)
    return [
        float(KINDS.index(one.kind)),
        one.level,
        1 - one.raw.touches(drawn) / max(len(drawn), 1),
        1 - one.raw.touches(stroke) / len(stroke) if tumor else np.nan,
        sum(one.raw.touches(v) for v in background) / max(sum(map(len, background)), 1),
        np.nan if tumor else one.raw.touches(stroke) / len(stroke),
        float(sum(2 * one.raw.touches(v) > len(v) for v in background)),
        *_section(study, standing if not tumor else block, stroke),
        _log(size * ml),
        float(np.log((size + 1) / (int(standing.values.sum()) + 1))),
        2 * shared / max(size + int(standing.values.sum()), 1),
        _dice(block, revised.corrected.block),
        _dice(block, shown),
        _log(mean),
        _log(hottest),
        _log(coldest),
        suv / max(mean, _SMALL) if size else np.nan,
        suv / max(hottest, _SMALL) if size else np.nan,
        float(np.median(_uptake(study, drawn))) / max(mean, _SMALL) if size and len(drawn) else np.nan,
        float(logits[own].mean()) if size else np.nan,
        float((logits[own] > 0).mean()) if size else np.nan,
        _log(int(gained.sum()) * ml),
        float(pet[gained].mean()) / suv if gained.any() else np.nan,
        float(logits[gained].mean()) if gained.any() else np.nan,
        _log(int(lost.sum()) * ml),
        float(study.axial_pet[standing.slices][lost].mean()) / suv if lost.any() else np.nan,
        float(lost_logits.mean()) if lost.any() else np.nan,
    ]


def _section(study: Study, block: MaskBox, stroke: Voxels) -> list[float]:
    """How deep a stroke lies in the section that most of it is in, in mm, and how large that section is."""
    planes, counts = np.unique(stroke[:, 2], return_counts=True)
    z = int(planes[counts.argmax()]) - block.corner[2]
    if not 0 <= z < len(block.values) or not block.values[z].any():
        return [np.nan] * 4
    plane = np.pad(block.values[z], 1)
    depth = distance_transform_edt(plane, sampling=study.frame_spacing[1::-1])
    here = stroke[stroke[:, 2] == z + block.corner[2]] - np.asarray(block.corner) + 1
    inside = ((here[:, :2] >= 0) & (here[:, :2] < np.array(plane.shape[::-1]))).all(axis=1)
    x, y, _ = here[inside].T
    area = int(plane.sum())
    return [
        float(depth[y, x].max()) / float(depth.max()) if len(x) else 0.0,
        _log(area * float(np.prod(study.frame_spacing[:2]))),
        len(stroke) / float(np.sqrt(area)),
        area / int(block.values.sum(axis=(1, 2)).max()),
    ]


def _uptake(study: Study, voxels: Voxels) -> Floats:
    x, y, z = voxels.T
    found: Floats = study.axial_pet[z, y, x]
    return found


def _log(value: float) -> float:
    return float(np.log(max(value, _SMALL))) if value == value else np.nan


def _shared(block: MaskBox, other: MaskBox) -> int:
    return int((block.values & other.within(block.corner, block.values.shape)).sum())


def _dice(block: MaskBox, other: MaskBox) -> float:
    return 2 * _shared(block, other) / max(int(block.values.sum()) + int(other.values.sum()), 1)
