"""Where in the body a place is: outline, lungs, liver, head, midline, found on CT and PET or on PET alone.

Everything is axial: arrays [z, y, x], points (x, y, z) in mm from the first voxel's centre.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import binary_fill_holes, binary_opening, distance_transform_edt, uniform_filter

from sam_pet.study import Study, Volume
from sam_pet.uptake.blocks import block_means, block_step

Bools = npt.NDArray[np.bool_]
_BLOCK_MM = 8.0
# Fat and lung take up a quarter and more of SUV 1 with every tracer; air shows only noise.
_BODY_SUV = 0.15
_BODY_HU = -400.0
_LUNG_HU = -500.0
_SMALLEST_LUNG_ML = 150.0
_MIDLINE_MM = 12.0
# A liver is soft tissue of even uptake above that of muscle and blood, and no other organ on the right is as large.
_LIVER_MM = 28.0
_LIVER_HU = (0.0, 200.0)
_LIVER_SUV = (1.2, 30.0)
_LIVER_TO_BACKGROUND = 2.0
_LARGEST_VARIATION = 0.2
_SMALLEST_LIVER_ML = 60.0
_OFF_MIDLINE_MM = 15.0


@dataclass(frozen=True)
class Body:
    """A study seen coarsely.

    Attributes:
        spacing: of the blocks, (x, y, z) in mm.
        pet: mean SUV of the blocks [z, y, x].
        outline: what is body.
        depth: mm from the skin, 0 outside.
        to_lungs: mm to the lungs, None without CT or without lungs in it.
        liver: SUV of the liver, None where none is found; `liver_at` is where (x, y, z) in mm, NaN then.
        background: median SUV of the body.
        top, apex, base, crotch: heights (z in mm) of the body's upper end, of the lungs' ends and of the fork of the
            legs; NaN where not known.
        middle: x in mm of the midline.
    """

    spacing: tuple[float, float, float]
    pet: Volume
    outline: Bools
    depth: Volume
    to_lungs: Volume | None
    liver: float | None
    liver_at: tuple[float, float, float]
    background: float
    top: float
    apex: float
    base: float
    crotch: float
    middle: float

    @property
    def reference(self) -> float:
        """SUV of the liver; four times the background, which is close to it with FDG, where none is found."""
        return 4.0 * self.background if self.liver is None else self.liver

    def block(self, point: npt.ArrayLike) -> tuple[int, int, int]:
        """The block [z, y, x] that holds a point (x, y, z) in mm."""
        index = np.round(np.asarray(point, float) / np.asarray(self.spacing) - 0.5 + 1e-3).astype(int)[::-1]
        z, y, x = np.clip(index, 0, np.array(self.outline.shape) - 1)
        return int(z), int(y), int(x)


def find_body(study: Study) -> Body:
    """Look at a study in blocks of about 8 mm."""
    step = block_step(study.frame_spacing, _BLOCK_MM)
    sx, sy, sz = (float(s * n) for s, n in zip(study.frame_spacing, step[::-1], strict=True))
    spacing = (sx, sy, sz)
    pet = block_means(study.axial_pet, step)
    ct = None if study.axial_ct is None else block_means(study.axial_ct, step)
    outline = _outline(pet, ct)
    lungs = None if ct is None else _lungs(ct, outline, float(np.prod(spacing)) / 1000)
    heights = np.flatnonzero(outline.any(axis=(1, 2))) * sz
    lung_heights = np.array([]) if lungs is None else np.flatnonzero(lungs.any(axis=(1, 2))) * sz
    columns = np.flatnonzero(outline.any(axis=(0, 1)))
    middle = float(np.nonzero(outline)[2].mean()) if columns.size else outline.shape[2] / 2
    background = max(float(np.median(pet[outline])) if columns.size else 0.0, 0.05)
    liver, liver_at = _liver(pet, ct, background, middle - _OFF_MIDLINE_MM / sx, spacing)
    return Body(
        spacing=spacing,
        pet=pet,
        outline=outline,
        depth=distance_transform_edt(outline, sampling=spacing[::-1]).astype(np.float32),
        to_lungs=None if lungs is None else distance_transform_edt(~lungs, sampling=spacing[::-1]).astype(np.float32),
        liver=liver,
        liver_at=liver_at,
        background=background,
        top=float(heights[-1]) if heights.size else np.nan,
        apex=float(lung_heights[-1]) if lung_heights.size else np.nan,
        base=float(lung_heights[0]) if lung_heights.size else np.nan,
        crotch=_crotch(outline, middle, spacing),
        middle=(middle + 0.5) * sx,
    )


def _liver(
    pet: Volume, ct: Volume | None, background: float, right: float, spacing: tuple[float, float, float]
) -> tuple[float | None, tuple[float, float, float]]:
    """SUV and centre (x, y, z) in mm of the largest even, active piece whose middle lies below column `right`."""
    size = [max(1, round(_LIVER_MM / s)) for s in spacing[::-1]]
    mean = uniform_filter(pet, size)
    spread = np.sqrt(np.maximum(uniform_filter(pet**2, size) - mean**2, 0))
    low = max(_LIVER_SUV[0], _LIVER_TO_BACKGROUND * background)
    even = (mean >= low) & (mean <= _LIVER_SUV[1]) & (spread <= _LARGEST_VARIATION * mean)
    if ct is not None:
        hu = uniform_filter(ct, size)
        even &= (hu >= _LIVER_HU[0]) & (hu <= _LIVER_HU[1])
    groups = cc3d.connected_components(np.ascontiguousarray(even), connectivity=6)
    smallest = _SMALLEST_LIVER_ML * 1000 / float(np.prod(spacing))
    best, most = 0, 0.0
    for number in np.flatnonzero(np.bincount(groups.ravel()) >= smallest)[1:]:
        where = groups == number
        if np.nonzero(where)[2].mean() < right and (uptake := float(mean[where].sum())) > most:
            best, most = int(number), uptake
    if not best:
        return None, (np.nan,) * 3
    z, y, x = ((np.nonzero(groups == best)[a].mean() + 0.5) * spacing[2 - a] for a in range(3))
    return float(np.median(pet[groups == best])), (float(x), float(y), float(z))


def _outline(pet: Volume, ct: Volume | None) -> Bools:
    """The largest piece of tissue, its cavities filled slice by slice; an opening takes the table off."""
    tissue = pet > _BODY_SUV if ct is None else binary_opening(ct > _BODY_HU)
    body = _pieces(tissue, 1)
    return np.stack([binary_fill_holes(plane) for plane in body]) if len(body) else body


def _lungs(ct: Volume, outline: Bools, block_ml: float) -> Bools | None:
    air = outline & (ct < _LUNG_HU)
    pieces = _pieces(air, 2, at_least=round(_SMALLEST_LUNG_ML / block_ml))
    return pieces if pieces.any() else None


def _pieces(mask: Bools, count: int, at_least: int = 1) -> Bools:
    """The largest connected pieces of a mask."""
    labels = cc3d.connected_components(np.ascontiguousarray(mask), connectivity=6)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    kept = [n for n in np.argsort(sizes)[::-1][:count] if sizes[n] >= at_least]
    found: Bools = np.isin(labels, kept)
    return found


def _crotch(outline: Bools, middle: float, spacing: tuple[float, float, float]) -> float:
    """The height down to which the midline runs through tissue without a gap, from the middle of the scan."""
    reach = _MIDLINE_MM / spacing[0]
    columns = slice(max(round(middle - reach), 0), round(middle + reach) + 1)
    filled = np.asarray(np.asarray(outline[:, :, columns].any(axis=1)).all(axis=1))
    if not filled.any():
        return float("nan")
    start = len(filled) // 2
    gaps = np.flatnonzero(~filled[:start])
    if not gaps.size:
        return float("nan")
    return float((gaps[-1] + 1) * spacing[2])
