"""A real organ map in place of the drawn organs: the body is fitted round it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk
from scipy import ndimage

from sam_pet.errors import InputError
from sam_pet.geometry import AxialOrder, Grid
from sam_pet.phantom.body import Profile
from sam_pet.phantom.frame import Frame
from sam_pet.phantom.head import draw_deep_brain
from sam_pet.phantom.organs import draw_chambers, draw_urine
from sam_pet.phantom.shapes import Box, Canvas, Floats
from sam_pet.phantom.tissue import SOFT, Tissue

_BODY = (Tissue.SPLEEN, Tissue.KIDNEY, Tissue.LIVER, Tissue.LUNG, Tissue.HEART, Tissue.STOMACH)
# Where the drawn body has these landmarks (mm).
_LUNG_TOP, _LUNG_BOTTOM, _LUNG_WIDTH, _LUNG_FRONT, _LUNG_BACK = 570.0, 266.0, 268.0, -84.0, 90.0
_WALL_MM = 16.0
_BLADDER, _GLANDS, _BRAIN_BOTTOM, _BRAIN_Y = 42.0, 652.0, 676.0, 0.0


@dataclass(frozen=True)
class OrganMap:
    """Organ labels 1 to 10 in the axial view [z, y, x], and the grid they are stored on."""

    labels: npt.NDArray[np.uint8]
    grid: Grid
    spacing: tuple[float, float, float]

    @classmethod
    def of(cls, image: sitk.Image) -> OrganMap:
        grid = Grid.of(image)
        order = AxialOrder.of(grid)
        labels = np.asarray(order.view(sitk.GetArrayFromImage(image)))
        if int((labels == Tissue.LUNG).sum()) * grid.voxel_ml < 200:
            raise InputError(
                "organ map: no lungs (label 5), by which the body is fitted; "
                "labels are 1 spleen, 2 kidneys, 3 liver, 4 bladder, 5 lungs, 6 brain, 7 heart, 8 stomach, "
                "9 prostate, 10 head glands"
            )
        known = np.where((labels >= 1) & (labels <= 10), labels, 0).astype(np.uint8)
        return cls(_largest(known, grid.voxel_ml), grid, order.spacing(grid))

    @property
    def tissues(self) -> frozenset[Tissue]:
        """The organs that the map has."""
        return frozenset(Tissue(int(v)) for v in np.unique(self.labels) if v)

    def wall(self, box: Box, drawn: Profile) -> Profile:
        """The muscle wall of the drawn body, moved so that the mapped organs of the trunk lie inside it."""
        organs = np.isin(self.labels[box], _BODY)
        across = np.asarray(organs.any(axis=1))
        deep = np.asarray(organs.any(axis=2))
        rows = np.flatnonzero(across.any(axis=1))
        if not len(rows):
            return drawn
        whole, _ = fit(self, 0.0)
        x, y = whole.x[box[2]], whole.y[box[1]]
        half = np.array([np.abs(x[np.flatnonzero(across[r])[[0, -1]]]).max() for r in rows]) + _WALL_MM
        ends = np.array([y[np.flatnonzero(deep[r])[[0, -1]]] for r in rows])
        smooth = 18.0 / self.spacing[2]
        trust = np.zeros(len(drawn.a))
        trust[rows] = 1.0
        trust = ndimage.gaussian_filter1d(trust, smooth)

        def blend(found: npt.NDArray[np.float64], base: Floats) -> Floats:
            steady = ndimage.gaussian_filter1d(ndimage.maximum_filter1d(found, 9), smooth, mode="nearest")
            spread = np.interp(np.arange(len(base)), rows, steady)
            blended: Floats = (base + trust * (spread - base)).astype(np.float32)
            return blended

        # Rows with kidneys alone say nothing about the belly: no side may fall far behind the drawn one.
        least = np.float32(0.85)
        front = -np.maximum(blend(_WALL_MM - ends[:, 0], drawn.b - drawn.c), least * (drawn.b - drawn.c))
        back = np.maximum(blend(ends[:, 1] + 1.4 * _WALL_MM, drawn.c + drawn.b), least * (drawn.c + drawn.b))
        middle: Floats = (back + front) / np.float32(2)
        return Profile(np.maximum(blend(half, drawn.a), least * drawn.a), back - middle, middle)


def _largest(labels: npt.NDArray[np.uint8], voxel_ml: float) -> npt.NDArray[np.uint8]:
    """Without stray pieces far from an organ, which real maps have: under a tenth of its largest piece."""
    out = np.zeros_like(labels)
    for code, where in enumerate(ndimage.find_objects(labels), start=1):
        if where is None:
            continue
        pieces, count = ndimage.label(labels[where] == code)
        sizes = np.bincount(pieces.ravel())[1:]
        keep = np.concatenate([[False], sizes >= 0.1 * sizes.max()]) if count else np.zeros(1, bool)
        if sizes.max() * voxel_ml >= 0.3:
            out[where][keep[pieces]] = code
    return out


def fit(organ_map: OrganMap, head_shift: float) -> tuple[Frame, float]:
    """Body coordinates along each axis of the map, by its lungs, bladder, head glands and brain; and the head shift."""
    labels, spacing = organ_map.labels, organ_map.spacing
    where = ndimage.find_objects(labels, max_label=10)
    lungs = where[Tissue.LUNG - 1]
    mask = labels[lungs] == Tissue.LUNG
    columns = np.cumsum(mask.sum(axis=(0, 1))) / mask.sum()
    left, right = np.searchsorted(columns, (0.002, 0.998)) + lungs[2].start
    x = (np.arange(labels.shape[2]) - (left + right) / 2) * (_LUNG_WIDTH / max(float(right - left), 1.0))
    deep = (_LUNG_BACK - _LUNG_FRONT) / max(lungs[1].stop - lungs[1].start, 1)
    y = (np.arange(labels.shape[1]) - lungs[1].start) * deep + _LUNG_FRONT

    marks = {float(lungs[0].start): _LUNG_BOTTOM, float(lungs[0].stop): _LUNG_TOP}
    for tissue, at in ((Tissue.BLADDER, _BLADDER), (Tissue.BRAIN, _BRAIN_BOTTOM), (Tissue.SALIVARY, _GLANDS)):
        if where[tissue - 1] is None:
            continue
        rows = np.flatnonzero((labels == tissue).any(axis=(1, 2)))
        index = float(rows[0]) if tissue == Tissue.BRAIN else float(rows.mean())
        anchor = min(marks) if at < _LUNG_BOTTOM else max(marks)
        slope = (at - marks[anchor]) / ((index - anchor) * spacing[2]) if index != anchor else 0.0
        # Stray pieces at the rim of the field of view are no landmarks: they would stretch the body.
        if 0.4 < slope < 2.0:
            marks[index] = at
    at_index = np.array(sorted(marks))
    at_body = np.array([marks[i] for i in at_index])
    mean = (at_body[-1] - at_body[0]) / (at_index[-1] - at_index[0])
    far = 2000.0
    at_index = np.concatenate([[at_index[0] - far], at_index, [at_index[-1] + far]])
    at_body = np.concatenate([[at_body[0] - far * mean], at_body, [at_body[-1] + far * mean]])
    z = np.interp(np.arange(labels.shape[0]), at_index, at_body)

    brain = where[Tissue.BRAIN - 1]
    if brain is not None and (brain[0].stop - brain[0].start) * spacing[2] > 40:
        middle = (brain[1].start + brain[1].stop) / 2
        head_shift = _BRAIN_Y - float(np.interp(middle, np.arange(len(y)), y))
    return Frame(x.astype(np.float32), y.astype(np.float32), z.astype(np.float32), spacing), head_shift


def paste(canvas: Canvas, organ_map: OrganMap, box: Box, rng: np.random.Generator) -> None:
    """Lay the mapped organs over the drawn body, wrap what sticks out, and give them their inner structure."""
    labels = organ_map.labels[box]
    step = organ_map.spacing[::-1]
    present = labels > 0
    for reach, tissue, over in (
        (16.0, Tissue.FAT, (Tissue.OUTSIDE, Tissue.SKIN)),
        (8.0, Tissue.MUSCLE, (Tissue.OUTSIDE, Tissue.SKIN, Tissue.FAT)),
    ):
        near = ndimage.gaussian_filter(present.astype(np.float32), [reach / 2 / s for s in step]) > 0.03
        canvas.paint((slice(None), slice(None), slice(None)), near, tissue, over)
    for drawn in organ_map.tissues:
        canvas.tissue[(canvas.tissue == drawn) & ~present] = Tissue.VISCERAL_FAT
    _skull(canvas, labels, step)
    canvas.tissue[present] = labels[present]
    _brain(canvas, labels, step)
    _hollow(canvas, labels, step, Tissue.STOMACH, Tissue.CONTENTS, 0.86)
    for code, centre, radii in _pieces(canvas, labels):
        if code == Tissue.KIDNEY:
            side = -1 if centre[0] < 0 else 1
            sinus = (centre[0] - side * 9, centre[1], centre[2])
            small = (0.45 * radii[0], 0.4 * radii[1], 0.55 * radii[2])
            canvas.ellipsoid(sinus, small, Tissue.VISCERAL_FAT, over=(Tissue.KIDNEY,), bump=0.2)
            draw_urine(canvas, sinus, side, 1.0, rng)
        elif code == Tissue.HEART:
            canvas.paint(*_where(canvas, labels == Tissue.HEART), Tissue.BLOOD)
            size = float(np.clip(radii[2] / 58.0, 0.6, 1.4))
            inside = canvas.tissue.copy()
            draw_chambers(canvas, centre, size, 0.0, rng)
            canvas.tissue[labels != Tissue.HEART] = inside[labels != Tissue.HEART]


def _where(canvas: Canvas, mask: npt.NDArray[np.bool_]) -> tuple[Box, npt.NDArray[np.bool_]]:
    return (slice(0, canvas.tissue.shape[0]), slice(None), slice(None)), mask


def _pieces(
    canvas: Canvas, labels: npt.NDArray[np.uint8]
) -> list[tuple[Tissue, tuple[float, float, float], tuple[float, float, float]]]:
    """Both kidneys and the heart: centre and half extents in body coordinates (x, y, z)."""
    found = []
    for code in (Tissue.KIDNEY, Tissue.HEART):
        pieces, _ = ndimage.label(labels == code)
        for where in ndimage.find_objects(pieces):
            low = [float(axis[s.start]) for axis, s in zip((canvas.z, canvas.y, canvas.x), where, strict=True)]
            high = [float(axis[s.stop - 1]) for axis, s in zip((canvas.z, canvas.y, canvas.x), where, strict=True)]
            middle = [(a + b) / 2 for a, b in zip(low, high, strict=True)]
            half = [(b - a) / 2 for a, b in zip(low, high, strict=True)]
            if min(half) > 8:
                found.append((code, (middle[2], middle[1], middle[0]), (half[2], half[1], half[0])))
    return found


def _brain(canvas: Canvas, labels: npt.NDArray[np.uint8], step: tuple[float, float, float]) -> None:
    _hollow(canvas, labels, step, Tissue.BRAIN, Tissue.WHITE_MATTER, 0.90)
    where = np.argwhere(labels == Tissue.BRAIN)
    if len(where):
        z, y, x = where.mean(axis=0).astype(int)
        draw_deep_brain(canvas, (float(canvas.x[x]), float(canvas.y[y]), float(canvas.z[z]) + 6), 1.0)


def _skull(canvas: Canvas, labels: npt.NDArray[np.uint8], step: tuple[float, float, float]) -> None:
    """A vault round the mapped brain, open at its base."""
    brain = labels == Tissue.BRAIN
    rows = np.flatnonzero(brain.any(axis=(1, 2)))
    if not len(rows):
        return
    low = min(int(rows[0] + 25 / step[0]), len(labels) - 1)
    part = slice(max(low - int(30 / step[0]), 0), len(labels))
    near = ndimage.gaussian_filter(brain[part].astype(np.float32), [5.0 / s for s in step])[low - part.start :]
    box = (slice(low, len(labels)), slice(0, labels.shape[1]), slice(0, labels.shape[2]))
    canvas.paint(box, near > 0.001, Tissue.SKIN, (Tissue.OUTSIDE, Tissue.FAT, Tissue.MUSCLE))
    canvas.paint(box, near > 0.03, Tissue.CORTEX)
    canvas.paint(box, near > 0.20, Tissue.CSF)


def _hollow(
    canvas: Canvas,
    labels: npt.NDArray[np.uint8],
    step: tuple[float, float, float],
    wall: Tissue,
    inner: Tissue,
    depth: float,
) -> None:
    """Turn the inside of a mapped organ, some millimetres below its surface, into another tissue."""
    rows = [np.flatnonzero((labels == wall).any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    if not len(rows[0]):
        return
    z, y, x = (slice(int(r[0]), int(r[-1]) + 1) for r in rows)
    box = (z, y, x)
    mask = (labels[box] == wall).astype(np.float32)
    inside = ndimage.gaussian_filter(mask, [6.0 / s for s in step], mode="constant")
    canvas.paint(box, (inside + 0.05 * canvas.bump[box] > depth) & (mask > 0), inner, (wall, *SOFT))
