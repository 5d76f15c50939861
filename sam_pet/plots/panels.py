"""What every picture of a study is put together from, drawn into axes in mm from the top left corner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_rgba
from matplotlib.patheffects import withStroke
from matplotlib.transforms import ScaledTranslation
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

from sam_pet.labels import Labels, lesion_colour
from sam_pet.plots.planes import MARKS, Flat, PlanePart, View
from sam_pet.study import Study, Volume

Window = tuple[float, float]
SUV: Window = (0.0, 10.0)
# Soft tissue.
HU: Window = (-160.0, 240.0)
# Colour and dash of prediction and truth, on inverted grey and on fused pictures; from Okabe and Ito, as the lesions'.
GREY_PAIR = (("#D55E00", "solid"), ("#0072B2", "dashed"))
FUSED_PAIR = (("#F0E442", "solid"), ("#56B4E9", "dashed"))
# Of all lesions on fused pictures: most of their own colours are lost in the heat.
ON_HEAT = "#56B4E9"
_SMALL = 7.0
_TEXT = 8.0
_LINE = 13.0
# From a picture to its numbers, and to the marks beyond these.
_GAP = 6.0
BEYOND_NUMBERS = 26.0


def draw_grey(ax: Axes, flat: Volume, view: View, suv: Window) -> None:
    """PET in inverted grey: the hotter the darker."""
    _image(ax, flat, view, cmap="gray_r", vmin=suv[0], vmax=suv[1])


def draw_fused(ax: Axes, ct: Volume, pet: Volume, view: View, suv: Window, hu: Window) -> None:
    """CT in grey with the PET over it, the denser the hotter."""
    _image(ax, ct, view, cmap="gray", vmin=hu[0], vmax=hu[1])
    strength = np.clip((pet - suv[0]) / (suv[1] - suv[0]), 0.0, 1.0)
    _image(ax, strength, view, cmap="hot", vmin=0.0, vmax=1.0, alpha=0.8 * np.sqrt(strength))


def _image(ax: Axes, flat: Flat, view: View, **options: Any) -> None:
    height, width = view.extent_mm
    ax.imshow(flat, extent=(0.0, width, height, 0.0), interpolation="bilinear", **options)


def draw_part(
    ax: Axes, part: PlanePart, view: View, colour: Any, dash: str = "solid", fill: float = 0.0, halo: str | None = None
) -> None:
    """The outline of a mask; `fill` is the opacity of what it encloses, `halo` the colour of an edge along the line."""
    height, width = view.spacing
    mask = np.pad(part.mask, 1)
    rows = (np.arange(mask.shape[0]) + part.row - 0.5) * height
    columns = (np.arange(mask.shape[1]) + part.column - 0.5) * width
    if fill:
        edges = (columns[0] - width / 2, columns[-1] + width / 2, rows[-1] + height / 2, rows[0] - height / 2)
        shown = np.ma.masked_equal(mask, False)
        ax.imshow(shown, extent=edges, cmap=ListedColormap([to_rgba(colour)]), alpha=fill, interpolation="nearest")
    lines = ax.contour(columns, rows, mask, levels=[0.5], colors=[colour], linestyles=[dash], linewidths=1.2)
    if halo is not None:
        lines.set_path_effects([withStroke(linewidth=2.2, foreground=halo)])


def lesion_rgb(number: int) -> tuple[float, float, float]:
    """The colour of a lesion as matplotlib takes it; that of every other output, see `sam_pet.labels`."""
    red, green, blue = lesion_colour(number)
    return red / 255, green / 255, blue / 255


def by_size(labels: Labels) -> list[int]:
    """The numbers of the lesions, those with the most voxels first."""
    sizes = np.bincount(labels[labels > 0].ravel().astype(np.int64))
    return [int(number) for number in np.argsort(-sizes, kind="stable") if sizes[number]]


def number_parts(ax: Axes, parts: Mapping[int, PlanePart], view: View, height_in: float) -> int:
    """Write the lesions' numbers down both sides of a picture, with a line to each; how many there was room for.

    Args:
        parts: in the order of their importance.
        height_in: of the picture, in inches.
    """
    height, middle = view.extent_mm[0], sum(ax.get_xlim()) / 2
    room = max(int(height_in * 72 / (_SMALL * 1.35)), 1)
    sides: dict[bool, list[tuple[float, float, int]]] = {False: [], True: []}
    for number, part in parts.items():
        rows, columns = np.nonzero(part.mask)
        y = (rows.mean() + part.row + 0.5) * view.spacing[0]
        right = bool((columns.mean() + part.column + 0.5) * view.spacing[1] > middle)
        x = (columns.max() + 1 if right else columns.min()) + part.column
        if len(sides[right]) < room:
            sides[right].append((y, x * view.spacing[1], number))
    for right, places in sides.items():
        places.sort()
        beside = ScaledTranslation((_GAP if right else -_GAP) / 72, 0.0, ax.figure.dpi_scale_trans)
        for (y, x, number), at in zip(places, _apart([p[0] for p in places], height / room, height), strict=True):
            ax.annotate(
                str(number),
                xy=(x, y),
                xytext=(1.0 if right else 0.0, at),
                textcoords=ax.get_yaxis_transform() + beside,
                ha="left" if right else "right",
                va="center",
                fontsize=_SMALL,
                arrowprops={"arrowstyle": "-", "linewidth": 0.6, "color": "0.35", "shrinkA": 1.0, "shrinkB": 0.0},
            )
    return sum(len(places) for places in sides.values())


def write_number(ax: Axes, number: int, part: PlanePart, view: View, on_dark: bool) -> None:
    """Write a lesion's number at its upper corner, the right one where there is room for it."""
    columns = np.flatnonzero(part.mask.any(axis=0))
    rows = np.flatnonzero(part.mask.any(axis=1))
    height, width = view.spacing
    left, right = part.column * width, (part.column + columns[-1] + 1) * width
    inside = right < 0.9 * ax.get_xlim()[1] + 0.1 * ax.get_xlim()[0]
    ax.annotate(
        str(number),
        (right if inside else left, (part.row + rows[0]) * height),
        (1 if inside else -1, 1),
        ha="left" if inside else "right",
        textcoords="offset points",
        fontsize=_TEXT,
        fontweight="bold",
        color="white" if on_dark else "black",
        annotation_clip=True,
        path_effects=[withStroke(linewidth=2.0, foreground="black" if on_dark else "white")],
    )


def _apart(wanted: Sequence[float], gap: float, end: float) -> list[float]:
    """Positions from 0 to `end` near ascending wanted ones, at least `gap` apart."""
    placed: list[float] = []
    for position in wanted:
        placed.append(max(position, placed[-1] + gap) if placed else max(position, gap / 2))
    limit = end - gap / 2
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - gap
    return placed


def furnish(ax: Axes, view: View, window: str, title: str = "", aside: float = 3.0) -> None:
    """Sides of the patient, scale bar, window and title, all around the picture and never on it.

    Args:
        ax: its limits are what is shown, in mm.
        window: what the grey levels mean.
        aside: how far from the picture its left and right are marked, in points.
    """
    ax.set_axis_off()
    left, right, top, bottom = MARKS[view.plane]
    marks = (
        (left, (0, 0.5), (-aside, 0), "right", "center"),
        (right, (1, 0.5), (aside, 0), "left", "center"),
        (top, (0.5, 1), (0, 2), "center", "bottom"),
        (bottom, (0.5, 0), (0, -2), "center", "top"),
    )
    for text, place, offset, ha, va in marks:
        _beside(ax, text, place, offset, ha=ha, va=va, fontsize=_TEXT, fontweight="bold")
    # A line further out than the marks, which a narrow picture has no room beside.
    _beside(ax, window, (0, 0), (0, -_LINE), ha="left", va="top", fontsize=_SMALL)
    if title:
        _beside(ax, title, (0, 1), (0, _LINE), ha="left", va="bottom", fontsize=_TEXT)
    width = abs(np.diff(ax.get_xlim())[0])
    length = _round_length(width / 3)
    bar = AnchoredSizeBar(
        ax.transData,
        length,
        f"{length:g} mm",
        loc="upper right",
        bbox_to_anchor=(1.0, 0.0),
        bbox_transform=ax.transAxes,
        pad=0.0,
        borderpad=0.3,
        sep=2.0,
        frameon=False,
        size_vertical=0.0,
        fontproperties={"size": _SMALL},
    )
    ax.add_artist(bar)


def _beside(ax: Axes, text: str, place: tuple[float, float], offset: tuple[float, float], **options: Any) -> None:
    ax.annotate(text, place, offset, xycoords="axes fraction", textcoords="offset points", **options)


def _round_length(most: float) -> float:
    """The largest of 1, 2, 5, 10, ... mm that is no more than `most`."""
    power = 10.0 ** np.floor(np.log10(most))
    return float(max(step * power for step in (1, 2, 5) if step * power <= most))


def window_text(suv: Window, hu: Window | None = None) -> str:
    text = f"SUV {suv[0]:g}–{suv[1]:g}"
    return text if hu is None else f"{text}, HU {hu[0]:g} to {hu[1]:g}".replace("-", "−")


def require_on(study: Study, labels: npt.NDArray[Any] | None, what: str) -> None:
    """Raise a ValueError where labels are not on a study's grid."""
    if labels is not None and labels.shape != study.grid.shape:
        raise ValueError(f"{what} of shape {labels.shape} are not on a grid of shape {study.grid.shape}")
