"""Which method is better, and how sure that is.

Patients are what is drawn anew in a bootstrap, not studies: two studies of one patient are not two witnesses.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import kendalltau, rankdata, wilcoxon

Floats = npt.NDArray[np.float64]

# What the challenge ranks by, both the higher the better.
RANKED = ("auc_dice", "auc_dmm")
GROUPINGS = ("tracer", "centre", "lesion_size", "uptake")
REPLICATES = 2000
_SMALLEST_GROUP = 3


@dataclass(frozen=True)
class Interval:
    """A mean over n cases and its 95 % bootstrap confidence interval; all None where there is no case."""

    mean: float | None
    low: float | None
    high: float | None
    n: int


class Bootstrap:
    """Means of methods over patients drawn with replacement; the same draws for every method and metric.

    Args:
        table: a row for each case and method, see `case_table`.
        methods: in the order of the columns of what is returned.
    """

    def __init__(self, table: pd.DataFrame, methods: Sequence[str], seed: int, replicates: int = REPLICATES) -> None:
        self.table = table
        self.methods = list(methods)
        self.patients = sorted(table["patient"].unique())
        generator = np.random.default_rng(seed)
        n = len(self.patients)
        self.weights = generator.multinomial(n, np.full(n, 1 / n), size=replicates) if n else np.zeros((0, 0))

    def means(self, metric: str) -> Floats:
        """Means over cases (replicates, methods); NaN where a draw has no defined case."""
        grouped = self.table.groupby(["patient", "method"])[metric]
        sums, counts = (
            part.unstack("method").reindex(index=self.patients, columns=self.methods).fillna(0).to_numpy(float)
            for part in (grouped.sum(), grouped.count())
        )
        with np.errstate(invalid="ignore"):
            found: Floats = (self.weights @ sums) / (self.weights @ counts)
        return found

    def interval(self, metric: str, method: str) -> Interval:
        """The mean of a metric over the cases where it is defined, and its percentile interval."""
        values = self.table.loc[self.table["method"] == method, metric].dropna()
        if values.empty:
            return Interval(None, None, None, 0)
        drawn = self.means(metric)[:, self.methods.index(method)]
        low, high = np.nanpercentile(drawn, [2.5, 97.5])
        return Interval(float(values.mean()), float(low), float(high), len(values))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number by Holm's step-down method (Holm 1979, Scand J Stat 6:65-70)."""
    order = np.argsort(p_values, kind="stable")
    m = len(p_values)
    adjusted = np.empty(m)
    adjusted[order] = np.maximum.accumulate([(m - i) * p_values[k] for i, k in enumerate(order)])
    return [float(p) for p in np.minimum(adjusted, 1)]


def compare(table: pd.DataFrame, metric: str, reference: str, others: Sequence[str]) -> pd.DataFrame:
    """Each other method against the reference: mean paired difference, two-sided Wilcoxon p, and Holm's.

    Pairs are means over each patient's cases. `p` is missing where fewer than one pair differs.

    Returns:
        Columns `method`, `difference` (other minus reference), `n` (pairs), `p`, `p_holm`.
    """
    by_patient = table.groupby(["patient", "method"])[metric].mean().unstack("method")
    rows: list[dict[str, Any]] = []
    for other in others:
        differences = (by_patient[other] - by_patient[reference]).dropna().to_numpy(float)
        p = float(wilcoxon(differences).pvalue) if np.any(differences != 0) else None
        mean = float(differences.mean()) if differences.size else None
        rows.append({"method": other, "difference": mean, "n": len(differences), "p": p})
    tested = [row for row in rows if row["p"] is not None]
    for row, adjusted in zip(tested, holm([row["p"] for row in tested]), strict=True):
        row["p_holm"] = adjusted
    return pd.DataFrame(rows, columns=["method", "difference", "n", "p", "p_holm"])


def ranks(means: Floats) -> Floats:
    """Ranks of methods (..., methods) by their means, 1 the highest, equal ones share; undefined ones are last."""
    order = -np.nan_to_num(np.asarray(means, float), nan=-np.inf)
    found: Floats = rankdata(order, axis=-1)
    return found


def combined_ranks(means: Sequence[Floats]) -> Floats:
    """The challenge's ranks: of the mean of the ranks by each metric."""
    # Rounded, so that equal means are ties.
    found: Floats = rankdata(np.stack([ranks(m) for m in means]).mean(axis=0).round(9), axis=-1)
    return found


@dataclass(frozen=True)
class Ranking:
    """Ranks of the methods, 1 is best, and how they hold when other patients had been drawn.

    Attributes:
        table: `method`, a rank for each of `RANKED`, `combined`, and the 2.5th and 97.5th percentile `low` and `high`
            of the combined rank.
        drawn: combined ranks (replicates, methods).
        tau: Kendall's tau-b between the ranking and each drawn one; NaN where all methods are equal or there is one.
    """

    table: pd.DataFrame
    drawn: Floats
    tau: Floats


def rank(table: pd.DataFrame, methods: Sequence[str], bootstrap: Bootstrap) -> Ranking:
    """Rank methods by the means of the ranked metrics over all cases."""
    observed = [table.groupby("method")[metric].mean().reindex(list(methods)).to_numpy(float) for metric in RANKED]
    combined = combined_ranks(observed)
    drawn = combined_ranks([bootstrap.means(metric) for metric in RANKED])
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    ranked = pd.DataFrame(
        {
            "method": list(methods),
            **{metric: ranks(means) for metric, means in zip(RANKED, observed, strict=True)},
            "combined": combined,
            "low": low,
            "high": high,
        }
    ).sort_values(["combined", "auc_dice"], kind="stable", ignore_index=True)
    several = len(methods) > 1
    tau = np.array([kendalltau(combined, row).statistic if several else np.nan for row in drawn])
    return Ranking(ranked, drawn, tau)


def by_group(table: pd.DataFrame, methods: Sequence[str], metric: str = "auc_dice") -> pd.DataFrame:
    """Means of a metric by group of cases.

    Returns:
        Columns `grouping` (of `GROUPINGS`), `group`, `cases`, and one a method.
    """
    rows = []
    for grouping in GROUPINGS:
        for name, part in table.dropna(subset=[grouping]).groupby(grouping):
            means = part.groupby("method")[metric].mean().reindex(list(methods))
            rows.append({"grouping": grouping, "group": name, "cases": part["case"].nunique(), **means})
    return pd.DataFrame(rows, columns=["grouping", "group", "cases", *methods])


def worst_group(groups: pd.DataFrame, method: str) -> str | None:
    """The group of at least three cases in which a method has the lowest mean; None if there is none."""
    large = groups[(groups["cases"] >= _SMALLEST_GROUP) & groups[method].notna()]
    if large.empty:
        return None
    worst = large.sort_values(method, kind="stable").iloc[0]
    return f"{worst['group']} ({worst['cases']} cases): {worst[method]:.3f}"
