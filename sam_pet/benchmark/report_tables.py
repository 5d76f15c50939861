"""The tables of a run, as its report and a manuscript show them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sam_pet.benchmark.statistics import RANKED, Bootstrap, Interval, Ranking, by_group, compare, worst_group
from sam_pet.page import Cell, Table, number

_NAMES = {"auc_dice": "AUC-Dice", "auc_dmm": "AUC-DMM"}
# Column, heading, digits, unit.
_SCORES = (
    ("dice_first", "Dice, step 0", 3),
    ("dice", "Dice, last", 3),
    ("dmm", "DMM, last", 3),
    ("nsd_2mm", "NSD 2 mm", 3),
    ("hd95_mm", "HD95, mm", 1),
    ("fpv_ml", "FPV, mL", 2),
    ("fnv_ml", "FNV, mL", 2),
    ("volume_bias", "volume bias", 2),
    ("suv_mean_error", "SUVmean error", 2),
    ("tlg_error", "TLG error", 2),
    ("overshoot", "overshoot", 3),
)


def order_of(ranking: Ranking) -> list[str]:
    return [str(method) for method in ranking.table["method"]]


def _with_best(texts: Sequence[str], values: Sequence[float | None]) -> list[Cell]:
    defined = [v for v in values if v is not None and v == v]
    return [Cell(text, best=bool(defined) and value == max(defined)) for text, value in zip(texts, values, strict=True)]


def ranking_table(table: pd.DataFrame, ranking: Ranking, bootstrap: Bootstrap, steps: int) -> Table:
    """Combined ranks, and the areas that they come from with their intervals."""
    rows = []
    for row in ranking.table.to_dict("records"):
        method = str(row["method"])
        intervals = [_interval(bootstrap.interval(metric, method)) for metric in RANKED]
        texts = [
            method,
            f"{row['combined']:g}",
            f"{row['low']:g} to {row['high']:g}",
            f"{row['auc_dice']:g}",
            intervals[0],
            f"{row['auc_dmm']:g}",
            intervals[1],
            str(table.loc[table["method"] == method, "error"].notna().sum()),
        ]
        rows.append([Cell(text, best=row["combined"] == 1) for text in texts])
    return Table(
        ["method", "rank", "95 %", "rank", f"AUC-Dice (of {steps})", "rank", f"AUC-DMM (of {steps})", "failed"], rows
    )


def _interval(interval: Interval) -> str:
    if interval.mean is None:
        return "–"
    return f"{number(interval.mean)} ({number(interval.low)} to {number(interval.high)})"


def step_means(steps: pd.DataFrame, ranking: Ranking, metric: str) -> Table:
    """Means of Dice or DMM at each step."""
    means = steps.groupby(["method", "step"])[metric].mean().unstack("step")
    order = order_of(ranking)
    columns = [
        _with_best([number(v) for v in means.loc[order, step]], means.loc[order, step].tolist())
        for step in means.columns
    ]
    rows = [[Cell(method), *(column[i] for column in columns)] for i, method in enumerate(order)]
    return Table([f"mean {'Dice' if metric == 'dice' else 'DMM'} at step", *map(str, means.columns)], rows)


def scores_table(table: pd.DataFrame, ranking: Ranking) -> Table:
    """Means of all scores after the last correction."""
    means = table.groupby("method")[[column for column, _, _ in _SCORES]].mean()
    rows = [
        [Cell(method), *(Cell(number(means.loc[method, column], digits)) for column, _, digits in _SCORES)]
        for method in order_of(ranking)
    ]
    return Table(["method", *(name for _, name, _ in _SCORES)], rows)


def cost_table(table: pd.DataFrame, ranking: Ranking) -> Table:
    """What it took: corrections to a Dice, effort of the reader, seconds, memory."""
    rows = []
    for method in order_of(ranking):
        part = table[table["method"] == method]
        reached = [
            f"{number(part[column].median(), 1)} ({part[column].notna().sum()} of {len(part)})"
            for column in ("to_80", "to_90")
        ]
        costs = [number(part["seconds"].median(), 2), number(part["peak_mb"].max(), 0)]
        effort = [number(part[column].mean(), 1) for column in ("interactions", "voxels", "degrees_of_freedom")]
        rows.append([Cell(text) for text in (method, *reached, *effort, *costs)])
    return Table(
        [
            "method",
            "steps to Dice 0.8",
            "steps to Dice 0.9",
            "interactions",
            "voxels drawn",
            "degrees of freedom",
            "seconds a step, median",
            "peak memory, MB",
        ],
        rows,
    )


def differences(table: pd.DataFrame, methods: Sequence[str], metric: str) -> Table:
    """Every other method against the first, see `statistics.compare`."""
    found = compare(table, metric, methods[0], methods[1:])
    rows = [
        [
            Cell(str(row["method"])),
            Cell("–" if row["difference"] is None else f"{row['difference']:+.3f}"),
            Cell(str(row["n"])),
            Cell(_p(row["p"])),
            Cell(_p(row["p_holm"])),
        ]
        for row in found.to_dict("records")
    ]
    return Table([f"{_NAMES[metric]} minus that of {methods[0]}", "difference", "patients", "p", "p (Holm)"], rows)


def _p(value: Any) -> str:
    if value is None or value != value:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def group_tables(table: pd.DataFrame, methods: Sequence[str]) -> list[Table]:
    """Mean AUC-Dice by group of cases, and each method's worst group."""
    groups = by_group(table, methods)
    rows = []
    for row in groups.to_dict("records"):
        values = [row[method] for method in methods]
        group = f"{row['grouping'].replace('_', ' ')}: {row['group']}"
        rows.append([Cell(group), Cell(str(row["cases"])), *_with_best([number(v) for v in values], values)])
    worst = [[Cell(method), Cell(worst_group(groups, method) or "–")] for method in methods]
    return [Table(["group", "cases", *methods], rows), Table(["method", "worst group of at least 3 cases"], worst)]


def lesion_free_table(table: pd.DataFrame, methods: Sequence[str]) -> Table:
    """What is segmented where there is no lesion."""
    rows = []
    for method in methods:
        part = table[table["method"] == method]
        empty = int((part["volume_ml"] == 0).sum())
        texts = (method, len(part), f"{empty} of {len(part)}", number(part["fpv_ml"].mean(), 2))
        rows.append([Cell(str(text)) for text in (*texts, number(part["auc_dice"].mean()))])
    columns = ["method", "cases", "left empty", "FPV at the last step, mL", "AUC-Dice"]
    return Table(columns, rows)
