"""Figures of pictures side by side, in true proportion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

# For what stands around a picture, in inches.
_ASIDE, _ABOVE = 0.75, 0.75
_NARROWEST = 1.3


def panels(extents: Sequence[tuple[float, float]], height_in: float, per_row: int = 6) -> tuple[Figure, list[Axes]]:
    """A figure with axes for pictures of these heights and widths (mm), each `height_in` inches high."""
    widths = [max(height_in * width / height, _NARROWEST) for height, width in extents]
    columns = min(per_row, len(extents))
    rows = -(-len(extents) // columns)
    column_widths = [max(widths[i::columns]) for i in range(columns)]
    figure = Figure(figsize=(sum(column_widths) + _ASIDE * columns, (height_in + _ABOVE) * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, width_ratios=column_widths).ravel()
    for ax in axes[len(extents) :]:
        ax.set_axis_off()
    return figure, list(axes[: len(extents)])


def legend(figure: Figure, pair: Sequence[tuple[str, Any]]) -> None:
    """Say which line is the prediction and which the truth."""
    lines = [Line2D([], [], color=colour, linestyle=dash) for colour, dash in pair]
    figure.legend(
        lines, ["prediction", "truth"], loc="outside lower center", ncols=2, frameon=False, fontsize=8, handlelength=3
    )
