"""What a stroke changes in a mask that stands.

A tumor stroke only adds and a background stroke only takes away, and only what hangs together with the stroke and is
within its reach: with the rest of the mask the reader has found no fault.
"""

from __future__ import annotations

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import distance_transform_edt

from sam_pet.boxes import CONNECTIVITY, Floats, LogitBox, MaskBox
from sam_pet.prompts import Label, Voxels
from sam_pet.settings import StrokeSettings
from sam_pet.study import Study

Bools = npt.NDArray[np.bool_]


def apply_stroke(
    mask: Bools, logits: Floats, stroke: tuple[npt.NDArray[np.int64], ...], label: Label, reach: Bools
) -> Bools:
    """A mask after a stroke.

    Args:
        mask: as it stood, [z, y, x].
        logits: what the model makes of the stroke, on the same voxels.
        stroke: indices of its voxels.
        label: of the stroke.
        reach: where the stroke may change anything, see `stroke_region`.
    """
    tumor = label == "tumor"
    change = (logits > 0) & ~mask if tumor else mask & (logits <= 0)
    change &= reach
    change[stroke] = mask[stroke] != tumor
    # The stroke itself joins what lies on both its sides, whether it changes anything or not.
    joined = change.copy()
    joined[stroke] = True
    pieces = cc3d.connected_components(joined, connectivity=CONNECTIVITY)
    touched = np.unique(pieces[stroke])
    return mask ^ (change & np.isin(pieces, touched))


def hotter_component(
    study: Study, corner: tuple[int, int, int], mask: Bools, tumor: Voxels, background: Voxels
) -> Bools:
    """What of a mask hangs together with a background stroke and is hotter than all that was drawn as tumor.

    Nothing is if the stroke is not hotter itself.

    Args:
        study: the study.
        corner: the mask's first voxel (x, y, z).
        mask: as it stands, [z, y, x].
        tumor: axial voxels (n, 3) of tumor strokes, at least one.
        background: those of the stroke.
    """
    (x, y, z), (x2, y2, z2) = tumor.T, background.T
    hottest = study.axial_pet[z, y, x].max()
    if np.median(study.axial_pet[z2, y2, x2]) <= hottest:
        return np.zeros_like(mask)
    block = MaskBox(corner, mask)
    stroke = np.zeros(mask.shape, bool)
    stroke[block.rows(background)] = True
    uptake = study.axial_pet[block.slices]
    pieces = cc3d.connected_components((mask & (uptake > hottest)) | stroke, connectivity=CONNECTIVITY)
    found: Bools = mask & np.isin(pieces, np.unique(pieces[stroke]))
    return found


def stroke_region(
    study: Study,
    stroke: Voxels,
    label: Label,
    corner: tuple[int, int, int],
    shape: tuple[int, ...],
    settings: StrokeSettings,
    *,
    of_uptake: bool = False,
) -> Bools:
    """Which voxels of a box a stroke can change: those near it for its length, and not of quite another uptake.

    Args:
        study: the study.
        stroke: axial voxels (n, 3).
        label: of the stroke.
        corner: the box's first voxel (x, y, z).
        shape: of the box, [z, y, x].
        settings: how far it reaches, and from which uptake to which.
        of_uptake: the mask that it corrects follows a level of uptake.
    """
    spacing = np.asarray(study.frame_spacing)
    length = float(np.linalg.norm(np.ptp(stroke, axis=0) * spacing))
    trims = of_uptake and label == "background"
    near, lengths, hottest = (
        (settings.trim_mm, settings.trim_lengths, settings.trim_hottest)
        if trims
        else (settings.reach_mm, settings.reach_lengths, settings.hottest)
    )
    mm = max(near, lengths * length)
    reach = np.zeros(shape, bool)
    margin = np.ceil(mm / spacing).astype(int)
    low = np.maximum(stroke.min(axis=0) - margin, corner)
    high = np.minimum(stroke.max(axis=0) + margin + 1, np.asarray(corner) + shape[::-1])
    if (high <= low).any():
        return reach
    inside = stroke[((stroke >= low) & (stroke < high)).all(axis=1)]
    if not len(inside):
        return reach
    free = np.ones((high - low)[::-1], bool)
    free[tuple((inside - low)[:, ::-1].T)] = False
    z, y, x = (slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
    pet = study.axial_pet[z, y, x]
    x_drawn, y_drawn, z_drawn = stroke.T
    drawn = study.axial_pet[z_drawn, y_drawn, x_drawn]
    here = (distance_transform_edt(free, sampling=spacing[::-1]) <= mm) & (pet <= hottest * drawn.max())
    if label == "tumor":
        here &= pet >= settings.coldest * np.median(drawn)
    z, y, x = (slice(int(a - c), int(b - c)) for a, b, c in zip(low[::-1], high[::-1], corner[::-1], strict=True))
    reach[z, y, x] = here
    return reach


def stroke_affinity(
    study: Study, strokes: Voxels, corner: npt.NDArray[np.int64], shape: tuple[int, ...], settings: StrokeSettings
) -> Floats:
    """How much each voxel of a box is like the nearest voxel of strokes, 1 at these, 0 far off.

    It falls as a Gaussian with the distance and with the logarithm of the ratio of uptakes.

    Args:
        study: the study.
        strokes: axial voxels (n, 3).
        corner: the box's first voxel (x, y, z).
        shape: of the box, [z, y, x].
        settings: how it falls.
    """
    likeness = np.zeros(shape, np.float32)
    spacing = np.asarray(study.frame_spacing)
    local = strokes - corner
    local = local[((local >= 0) & (local < np.array(shape[::-1]))).all(axis=1)]
    reach = np.ceil(settings.affinity_widths * settings.affinity_mm / spacing).astype(int)
    for group in _by_slice(local):
        low = np.maximum(group.min(axis=0) - reach, 0)
        high = np.minimum(group.max(axis=0) + reach + 1, shape[::-1])
        z, y, x = (slice(int(a), int(b)) for a, b in zip(low[::-1], high[::-1], strict=True))
        free = np.ones((z.stop - z.start, y.stop - y.start, x.stop - x.start), bool)
        free[tuple((group - low)[:, ::-1].T)] = False
        away, nearest = distance_transform_edt(free, sampling=spacing[::-1], return_indices=True)
        z0, y0, x0 = (int(c) + s.start for c, s in zip(corner[::-1], (z, y, x), strict=True))
        pet = study.axial_pet[z0 : z0 + free.shape[0], y0 : y0 + free.shape[1], x0 : x0 + free.shape[2]]
        uptake = np.log(np.maximum(pet, 0) + settings.noise_suv)
        ratio = uptake - uptake[tuple(nearest)]
        off = (away / settings.affinity_mm) ** 2 + (ratio / settings.affinity_log_ratio) ** 2
        here = np.exp(-0.5 * off).astype(np.float32)
        likeness[z, y, x] = np.maximum(likeness[z, y, x], here)
    return likeness


def add_stroke_affinity(
    study: Study, logits: LogitBox, tumor: Voxels, background: Voxels, settings: StrokeSettings
) -> Floats:
    """Logits plus the affinity of each voxel to tumor strokes (n, 3), less that to background strokes."""
    corner, shape = np.asarray(logits.corner), logits.values.shape
    ours, others = (stroke_affinity(study, drawn, corner, shape, settings) for drawn in (tumor, background))
    return logits.values + np.float32(settings.affinity_logits) * (ours - others)


def _by_slice(voxels: Voxels) -> list[Voxels]:
    return [voxels[voxels[:, 2] == z] for z in np.unique(voxels[:, 2])]
