"""The report as one page of A4."""

from __future__ import annotations

from matplotlib.figure import Figure, SubFigure
from matplotlib.transforms import Bbox

from sam_pet.page import number
from sam_pet.plots.mips import draw_mip
from sam_pet.plots.planes import View
from sam_pet.report import pictures
from sam_pet.report.content import COLUMNS, Content

_A4 = (8.27, 11.69)
# Heights of head, projections, slices, table and foot.
_HEIGHTS = (0.75, 5.3, 2.2, 2.5, 0.94)
_SLICES, _ROWS = 3, 13
_SMALL = 7.5


def page(content: Content) -> Figure:
    """The page; of many lesions it tables and shows the largest."""
    figure = Figure(figsize=_A4, layout="constrained")
    head, projections, slices, table, foot = figure.subfigures(5, 1, squeeze=False, height_ratios=_HEIGHTS).ravel()
    _head(head, content)
    _projections(projections, content)
    _slices(slices, content)
    _table(table, content)
    lines = [f"{name}: {value}" for name, value in content.facts]
    foot.text(0.05, 0.95, "\n".join(lines), va="top", fontsize=_SMALL, wrap=True)
    return figure


def _head(part: SubFigure, content: Content) -> None:
    part.text(0.05, 0.85, content.title, va="top", fontsize=14, fontweight="bold")
    totals = "     ".join(f"{name} {value}" for name, value in content.total_lines)
    part.text(0.05, 0.3, totals, va="center", fontsize=9)


def _projections(part: SubFigure, content: Content) -> None:
    views = [View(content.study, plane) for plane in ("coronal", "sagittal")]
    height = _HEIGHTS[1] - 0.7
    axes = part.subplots(1, 2, width_ratios=[view.extent_mm[1] for view in views])
    for ax, view in zip(axes, views, strict=True):
        draw_mip(ax, view, content.labels, content.suv, None, height)


def _slices(part: SubFigure, content: Content) -> None:
    axes = part.subplots(1, _SLICES)
    shown = content.largest[:_SLICES]
    pictures.draw_lesions(axes[: len(shown)], content, shown)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()


def _table(part: SubFigure, content: Content) -> None:
    ax = part.subplots()
    ax.set_axis_off()
    total = len(content.table)
    if not total:
        return
    shown = content.table[content.table["lesion"].isin(content.largest[:_ROWS])]
    cells = [[number(row[column], digits) for column, _, digits in COLUMNS] for row in shown.to_dict("records")]
    height = (len(cells) + 1) / (_ROWS + 2)
    table = ax.table(
        cells,
        colLabels=[heading for _, heading, _ in COLUMNS],
        cellLoc="right",
        edges="horizontal",
        bbox=Bbox.from_bounds(0.0, 1.0 - height, 1.0, height),
    )
    table.auto_set_font_size(False)
    table.set_fontsize(_SMALL)
    if len(cells) < total:
        ax.text(0, 0, f"The {len(cells)} largest of {total} lesions.", va="bottom", fontsize=_SMALL)
