"""Scores over the steps of a session."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sam_pet.plots.style import STYLE, line_style


def dice_curves(curves: Mapping[str, Sequence[float]], *, score: str = "Dice") -> Figure:
    """Scores over the steps.

    Args:
        curves: by name, the score after step 0, 1, ...
        score: what it is, from 0 to 1.

    Examples:
        >>> from sam_pet import plots
        >>> figure = plots.dice_curves({"sam-pet": [0.71, 0.80, 0.84]})
        >>> figure.axes[0].get_ylabel()
        'Dice'
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.0, 3.6), layout="constrained")
        ax = figure.subplots()
        draw_curves(ax, curves, score)
        figure.legend(*ax.get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure


def draw_curves(ax: Axes, curves: Mapping[str, Sequence[float]], score: str) -> None:
    """The curves in axes of a figure; arguments as for `dice_curves`."""
    for number, (name, values) in enumerate(curves.items()):
        ax.plot(range(len(values)), values, label=name, markersize=5, **line_style(number))
    ax.set(xlabel="step (corrections made)", ylabel=score, ylim=(-0.02, 1.02))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.25)
