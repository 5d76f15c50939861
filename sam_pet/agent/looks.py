"""Pictures for an agent: small PNGs, and the way from a point of a picture back to a voxel.

A point of a picture is (x, y), whole numbers from 0 to 999 from its upper left corner to the right and down, whatever
the picture's size.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sam_pet.errors import InputError
from sam_pet.labels import lesion_colour
from sam_pet.plots.planes import MARKS
from sam_pet.prompts import Label, Voxels
from sam_pet.study import Study
from sam_pet.viewer.paint import RGB, fused, mark_lesions, mark_strokes, png, projected, side_by_side
from sam_pet.viewer.planes import AXIAL, CORONAL, SAGITTAL, Plane, SliceView

PLANES = {"axial": AXIAL, "coronal": CORONAL, "sagittal": SAGITTAL}
POINTS = 1000
MOST_BYTES = 200_000
_MARGIN = 6
_GRID = (0, 200, 255)
_COLOURS = 96
_SMALLER = 0.8

Labels = npt.NDArray[np.uint16]
Strokes = Sequence[tuple[Voxels, Label]]


@dataclass(frozen=True)
class Shown:
    """How values are shown: the SUVs that are black and white or hot, the HU likewise, and how far PET covers CT."""

    suv_max: float = 10.0
    hu: tuple[float, float] = (-160.0, 240.0)
    fusion: float = 0.5
    contours: bool = True
    grid: bool = False

    @property
    def suv(self) -> tuple[float, float]:
        return 0.0, self.suv_max


@dataclass(frozen=True)
class Panel:
    """A part of a picture: a slice, by its `index`, or a projection where that is None; placed in pixels."""

    view: SliceView
    index: int | None
    left: int
    top: int


@dataclass(frozen=True)
class Picture:
    """A picture as it was shown."""

    png: bytes
    panels: tuple[Panel, ...]
    width: int
    height: int

    def place(self, point: Sequence[int], study: Study) -> tuple[int, int, int, Panel]:
        """The axial voxel (x, y, z) under a point, and its panel; behind a point of a projection the hottest one.

        Raises:
            InputError: no point of a picture, or one between panels.
        """
        if len(point) != 2 or not all(0 <= n < POINTS for n in point):
            raise InputError(f"picture: {list(point)} is no point of a picture; give [x, y] from 0 to {POINTS - 1}")
        u, v = ((n + 0.5) * size / POINTS for n, size in zip(point, (self.width, self.height), strict=True))
        for panel in self.panels:
            if 0 <= u - panel.left < panel.view.width and 0 <= v - panel.top < panel.view.height:
                x, y, z = panel.view.voxels([(u - panel.left, v - panel.top)], panel.index or 0)[0].tolist()
                return *(_deepest(study, panel, (x, y, z)) if panel.index is None else (x, y, z)), panel
        raise InputError(f"picture: {list(point)} lies between the panels of the last picture; point into one of them")

    def point(self, voxel: Sequence[int], panel: int = 0) -> tuple[int, int]:
        """The point of a panel under which an axial voxel lies."""
        at = self.panels[panel]
        u, v = at.view.pixel(voxel)
        x, y = (
            min(max(int((pixel + low) * POINTS / size), 0), POINTS - 1)
            for pixel, low, size in ((u, at.left, self.width), (v, at.top, self.height))
        )
        return x, y


def _deepest(study: Study, panel: Panel, voxel: tuple[int, int, int]) -> tuple[int, int, int]:
    through = panel.view.plane.through
    behind: list[slice | int] = list(voxel[::-1])
    behind[2 - through] = slice(None)
    found = list(voxel)
    found[through] = int(study.axial_pet[tuple(behind)].argmax())
    return found[0], found[1], found[2]


def window_mm(study: Study, plane: Plane, centre: Sequence[int], width_mm: float | None, longest: int) -> SliceView:
    """A square of `width_mm` about an axial voxel, or the whole plane; its longer edge has `longest` pixels."""
    z, y, x = study.axial_pet.shape
    size, spacing = (x, y, z), study.frame_spacing
    low, span = [], []
    for n, step, at in zip(size, spacing, centre, strict=True):
        length = n * step if width_mm is None else min(width_mm, n * step)
        low.append(min(max((at + 0.5) * step - length / 2, 0.0), n * step - length))
        span.append(length)
    edges = span[plane.across], span[plane.down]
    width, height = (max(1, round(edge * longest / max(edges))) for edge in edges)
    return SliceView(plane, size, spacing, (low[0], low[1], low[2]), (span[0], span[1], span[2]), width, height)


def slice_picture(
    study: Study, labels: Labels | None, strokes: Strokes, view: SliceView, index: int, shown: Shown
) -> RGB:
    """One slice; `labels` [z, y, x] and `strokes` are axial."""
    ct = study.axial_ct
    flat = None if ct is None else view.plane.cut(ct, index)
    rgb = fused(flat, view.plane.cut(study.axial_pet, index), view, shown.suv, shown.fusion, shown.hu)
    if labels is not None:
        mark_lesions(rgb, view.plane.cut(labels, index), view)
        mark_strokes(rgb, strokes, view, index)
        rgb = _numbered(rgb, view.plane.cut(labels, index), view)
    return _named(rgb, view.plane)


def mip_picture(study: Study, labels: Labels | None, view: SliceView, shown: Shown) -> RGB:
    """The maximum-intensity projection, high uptake black."""
    rgb = projected(view.plane.project(study.axial_pet), view, shown.suv)
    if labels is not None:
        mark_lesions(rgb, view.plane.project(labels), view)
        rgb = _numbered(rgb, view.plane.project(labels), view)
    return _named(rgb, view.plane)


def compose(parts: Sequence[tuple[RGB, SliceView, int | None]], grid: bool) -> Picture:
    """Pictures side by side as one look."""
    rgb = side_by_side([part for part, _, _ in parts], _MARGIN)
    height, width = rgb.shape[:2]
    panels, left = [], 0
    for part, view, index in parts:
        panels.append(Panel(view, index, left, height - len(part)))
        left += part.shape[1] + _MARGIN
    return Picture(small_png(_with_grid(rgb) if grid else rgb), tuple(panels), width, height)


def small_png(rgb: RGB) -> bytes:
    """The picture as a PNG of less than 200 kB: in fewer colours, then smaller, where it has to be."""
    data = png(rgb, 9)
    image = Image.fromarray(rgb)
    while len(data) >= MOST_BYTES:
        stream = io.BytesIO()
        image.quantize(_COLOURS).save(stream, "png", optimize=True)
        data = stream.getvalue()
        image = image.resize((int(image.width * _SMALLER), int(image.height * _SMALLER)))
    return data


def _numbered(rgb: RGB, labels: npt.NDArray[np.integer], view: SliceView) -> RGB:
    """Write each lesion's number beside it."""
    marks = []
    for number in np.unique(labels[labels > 0]).tolist():
        rows, columns = np.nonzero(labels == number)
        left, upper, right, lower = view.box
        u = (columns.max() + 1 - left) / (right - left) * view.width
        v = (rows.min() - upper) / (lower - upper) * view.height
        if 0 <= u < view.width + 20 and -20 <= v < view.height:
            marks.append((min(u + 1, view.width - 14), max(v - 6, 0), str(number), lesion_colour(number)))
    return _written(rgb, marks)


def _named(rgb: RGB, plane: Plane) -> RGB:
    """Write the patient's sides at the edges."""
    height, width = rgb.shape[:2]
    left, right, top, bottom = (mark for name, marks in MARKS.items() if name == plane.name for mark in marks)
    white = (160, 160, 160)
    return _written(
        rgb,
        [
            (3, 0.45 * height, left, white),
            (width - 11, 0.45 * height, right, white),
            (0.45 * width, 1, top, white),
            (0.45 * width, height - 14, bottom, white),
        ],
    )


def _with_grid(rgb: RGB) -> RGB:
    """Lines at every hundred points, with their numbers."""
    faint = rgb.copy()
    height, width = rgb.shape[:2]
    marks = []
    for number in range(0, POINTS, 100):
        u, v = round(number * width / POINTS), round(number * height / POINTS)
        for line in (faint[:, u], faint[v]):
            line[:] = (0.6 * line + 0.4 * np.array(_GRID)).astype(np.uint8)
        marks += [(u + 2, 0.0, str(number), _GRID)] + [(0.0, v + 1.0, str(number), _GRID)] * (number > 0)
    return _written(faint, marks)


def _written(rgb: RGB, marks: Iterable[tuple[float, float, str, tuple[int, int, int]]]) -> RGB:
    image = Image.fromarray(rgb)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(11)
    for u, v, text, colour in marks:
        draw.text((u, v), text, colour, font, stroke_width=1, stroke_fill=(0, 0, 0))
    return np.array(image)
