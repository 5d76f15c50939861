"""The figures of a report, as SVG; told apart by colour, marker and dash, and by any eye."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sam_pet.benchmark.statistics import Ranking

# Okabe and Ito 2008, jfly.uni-koeln.de/color, but the yellow that is lost on white.
COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
_MARKERS = "osD^vP*X<>hd"
_DASHES = ("-", "--", ":", "-.")
_STYLE: Any = {"font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "sam-pet"}


def style(number: int) -> dict[str, Any]:
    """How the method of a number is drawn, in every figure."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": _MARKERS[number % len(_MARKERS)],
        "linestyle": _DASHES[number // len(COLOURS) % len(_DASHES)],
    }


def svg(figure: Figure) -> bytes:
    """The figure's bytes, the same for the same figure."""
    stream = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(stream, format="svg", bbox_inches="tight", metadata={"Date": None})
    return stream.getvalue()


def curves(steps: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Mean Dice and DMM over the steps."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 3.8), layout="constrained")
        axes = figure.subplots(1, 2, sharex=True)
        for ax, metric, name in zip(axes, ("dice", "dmm"), ("Dice", "DMM (lesion F1)"), strict=True):
            means = steps.groupby(["method", "step"])[metric].mean().unstack("step")
            for number, method in enumerate(methods):
                ax.plot(means.columns, means.loc[method], label=method, markersize=5, **style(number))
            ax.set(xlabel="step (corrections made)", ylabel=f"mean {name}", ylim=(-0.02, 1.02))
            ax.xaxis.set_major_locator(MaxNLocator(integer=True))
            ax.grid(alpha=0.25)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure


def boxes(cases: pd.DataFrame, methods: Sequence[str], steps: int) -> Figure:
    """How AUC-Dice is spread over the cases; every case is a dot."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 0.6 + 0.38 * len(methods)), layout="constrained")
        ax = figure.subplots()
        values = [cases.loc[cases["method"] == m, "auc_dice"].dropna().to_numpy() for m in methods]
        ax.boxplot(
            values,
            orientation="horizontal",
            tick_labels=list(methods),
            widths=0.6,
            showfliers=False,
            medianprops={"color": "#D55E00", "linewidth": 2},
        )
        generator = np.random.default_rng(0)
        for number, found in enumerate(values, start=1):
            ax.plot(found, number + generator.uniform(-0.18, 0.18, len(found)), "o", color="#0072B2", ms=3, alpha=0.7)
        ax.set(xlabel=f"AUC-Dice over {steps} corrections (the most is {steps})", xlim=(-0.02 * steps, 1.02 * steps))
        ax.invert_yaxis()
        ax.grid(axis="x", alpha=0.25)
    return figure


def bland_altman(cases: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Segmented against true volume after the last step: difference over mean, with bias and limits of agreement."""
    columns = min(4, len(methods))
    rows = -(-len(methods) // columns)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(2.6 * columns, 2.2 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for ax in axes.ravel()[len(methods) :]:
            ax.axis("off")
        for ax, method in zip(axes.ravel(), methods, strict=False):
            part = cases[(cases["method"] == method) & cases["volume_ml"].notna()]
            mean = (part["volume_ml"] + part["true_volume_ml"]) / 2
            difference = 100 * part["tmtv_error_ml"] / mean
            ax.plot(mean, difference, "o", color="#0072B2", ms=3.5, alpha=0.8)
            bias, spread = difference.mean(), difference.std()
            ax.axhline(bias, color="#D55E00", linewidth=1.5)
            if len(part) > 1:
                for limit in (bias - 1.96 * spread, bias + 1.96 * spread):
                    ax.axhline(limit, color="#D55E00", linewidth=1, linestyle="--")
            ax.axhline(0, color="0.5", linewidth=0.5)
            ax.set(xscale="log", ylim=(-260, 260))
            ax.set_title(f"{method}: {bias:+.0f} %", fontsize=8)
        figure.supxlabel("mean of segmented and true volume, mL", fontsize=9)
        figure.supylabel("difference, % of the mean", fontsize=9)
    return figure


def stability(ranking: Ranking, methods: Sequence[str]) -> Figure:
    """How often each method takes each combined rank when patients are drawn anew; dots grow with the share."""
    order = ranking.table["method"].tolist()
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9.5, 0.8 + 0.34 * len(order)), layout="constrained")
        ax = figure.subplots()
        for row, method in enumerate(order):
            found, counts = np.unique(ranking.drawn[:, list(methods).index(method)], return_counts=True)
            share = counts / counts.sum()
            ax.scatter(found, np.full(len(found), row), s=260 * share, color="#0072B2", alpha=0.75, linewidth=0)
            ax.plot(ranking.table["combined"][row], row, "|", color="#D55E00", ms=14, mew=2)
        ax.set(yticks=range(len(order)), yticklabels=order, xlim=(0.5, len(order) + 0.5))
        ax.set_xlabel("combined rank (line: observed; dots: share of bootstrap draws)")
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
        ax.invert_yaxis()
        ax.grid(axis="x", alpha=0.25)
    return figure
