"""The pictures of a report, in axes of a page or in figures of their own."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sam_pet.geometry import Voxel
from sam_pet.labels import lesion_boxes
from sam_pet.plots.layout import panels
from sam_pet.plots.panels import HU
from sam_pet.plots.planes import View
from sam_pet.plots.slices import draw_slice, middle_voxel
from sam_pet.report.content import Content

# The square shown about a lesion: this wide, or the lesion with a margin on each side.
_WIDTH_MM, _MARGIN_MM = 160.0, 40.0
_HEIGHT_IN = 2.3


def slices(content: Content, lesions: Sequence[int]) -> Figure:
    """The axial slice through each of some lesions."""
    widths = [_width(content, lesion) for lesion in lesions]
    figure, axes = panels([(width, width) for width in widths], _HEIGHT_IN, per_row=3)
    draw_lesions(axes, content, lesions)
    return figure


def draw_lesions(axes: Sequence[Axes], content: Content, lesions: Sequence[int]) -> None:
    """As `slices`, in axes of a figure."""
    view = View(content.study, "axial")
    boxes = lesion_boxes(content.labels)
    for ax, lesion in zip(axes, lesions, strict=True):
        box = boxes[lesion]
        corner = (box[2].start, box[1].start, box[0].start)
        at: Voxel = middle_voxel(content.study, content.labels[box] == lesion, corner)
        title = f"lesion {lesion}: {view.named(at)}"
        draw_slice(ax, view, at, content.labels, content.suv, HU, width_mm=_width(content, lesion), title=title)


def _width(content: Content, lesion: int) -> float:
    """How wide a square to show about a lesion, in mm."""
    table = content.table
    diameter = float(table.loc[table["lesion"] == lesion, "diameter_mm"].iloc[0])
    return max(_WIDTH_MM, diameter + 2 * _MARGIN_MM)
