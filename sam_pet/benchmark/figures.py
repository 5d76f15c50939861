"""The figures of a report."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sam_pet.benchmark.statistics import Ranking
from sam_pet.plots.curves import draw_curves
from sam_pet.plots.style import STYLE


def curves(steps: pd.DataFrame, methods: Sequence[str]) -> Figure:
    """Mean Dice and DMM over the steps."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 3.8), layout="constrained")
        axes = figure.subplots(1, 2, sharex=True)
        for ax, metric, name in zip(axes, ("dice", "dmm"), ("Dice", "DMM (lesion F1)"), strict=True):
            means = steps.groupby(["method", "step"])[metric].mean().unstack("step")
            draw_curves(
                ax, dict(zip(methods, means.loc[list(methods)].to_numpy().tolist(), strict=True)), f"mean {name}"
            )
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", frameon=False)
    return figure


def boxes(cases: pd.DataFrame, methods: Sequence[str], steps: int) -> Figure:
    """How AUC-Dice is spread over the cases; every case is a dot."""
    with mpl.rc_context(STYLE):
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
    with mpl.rc_context(STYLE):
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
    with mpl.rc_context(STYLE):
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
