"""The report as one page of A4."""

from __future__ import annotations

from matplotlib.figure import Figure, SubFigure
from matplotlib.transforms import Bbox

from sam_pet.page import number
from sam_pet.plots.mips import draw_mip, project
from sam_pet.report import pictures
from sam_pet.report.content import COLUMNS, Content

_A4 = (8.27, 11.69)
# Heights in inches; projections take what is left.
_HEAD, _SLICE, _ROW, _FOOT = 0.7, 2.3, 0.19, 0.75
_SLICES, _ROWS = 3, 14
_SMALL = 7.5
_LEFT, _WIDTH = 0.05, 0.9


def page(content: Content) -> Figure:
    """The page; of many lesions it tables and shows the largest."""
    figure = Figure(figsize=_A4, layout="constrained")
    lesions = len(content.table)
    slices_in = _SLICE if lesions else 0.1
    table_in = _ROW * (min(lesions, _ROWS) + 3)
    heights = (_HEAD, _A4[1] - _HEAD - slices_in - table_in - _FOOT, slices_in, table_in, _FOOT)
    head, projections, slices, table, foot = figure.subfigures(5, 1, squeeze=False, height_ratios=heights).ravel()
    _head(head, content)
    _projections(projections, content, heights[1])
    if lesions:
        _slices(slices, content)
        _table(table, content)
    lines = [f"{name}: {value}" for name, value in content.facts]
    foot.text(_LEFT, 0.95, "\n".join(lines), va="top", fontsize=_SMALL, wrap=True)
    return figure


def _head(part: SubFigure, content: Content) -> None:
    part.text(_LEFT, 0.85, content.title, va="top", fontsize=14, fontweight="bold")
    totals = "     ".join(f"{name} {value}" for name, value in content.total_lines)
    part.text(_LEFT, 0.3, totals, va="center", fontsize=9)


def _projections(part: SubFigure, content: Content, height_in: float) -> None:
    projections = [project(content.study, plane, content.labels) for plane in ("coronal", "sagittal")]
    axes = part.subplots(1, 2, width_ratios=[projection.shown_mm[1] for projection in projections])
    for ax, projection in zip(axes, projections, strict=True):
        draw_mip(ax, projection, content.labels, content.suv, None, height_in - 0.8)


def _slices(part: SubFigure, content: Content) -> None:
    axes = part.subplots(1, _SLICES)
    shown = content.largest[:_SLICES]
    pictures.draw_lesions(axes[: len(shown)], content, shown)
    for ax in axes[len(shown) :]:
        ax.set_axis_off()


def _table(part: SubFigure, content: Content) -> None:
    total = len(content.table)
    ax = part.add_axes((_LEFT, 0.0, _WIDTH, 1.0))
    ax.set_axis_off()
    shown = content.table[content.table["lesion"].isin(content.largest[:_ROWS])]
    cells = [[number(row[column], digits) for column, _, digits in COLUMNS] for row in shown.to_dict("records")]
    height = (len(cells) + 1) / (len(cells) + 3)
    table = ax.table(
        cells,
        colLabels=[heading for _, heading, _ in COLUMNS],
        cellLoc="right",
        edges="horizontal",
        bbox=Bbox.from_bounds(0.0, 1.0 - height, 1.0, height),
    )
    for cell in table.get_celld().values():
        cell.set_linewidth(0.4)
    table.auto_set_font_size(False)
    table.set_fontsize(_SMALL)
    if len(cells) < total:
        ax.text(0, 0.1, f"The {len(cells)} largest of {total} lesions.", va="bottom", fontsize=_SMALL)
