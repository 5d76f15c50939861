"""The report of a run: `report.html`, and every step's scores in `report.csv`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import SimpleITK as sitk

from sam_pet.benchmark import figures, pictures
from sam_pet.benchmark.folder import MANIFEST, Result, ResultsFolder
from sam_pet.benchmark.protocol import Protocol
from sam_pet.benchmark.statistics import RANKED, Bootstrap, Interval, Ranking, by_group, compare, rank, worst_group
from sam_pet.benchmark.tables import case_table, step_table
from sam_pet.cases import Case
from sam_pet.cells import defused
from sam_pet.files import replacing
from sam_pet.page import Cell, Image, Section, Table, number, render
from sam_pet.plots.style import png, svg

REPORT, TABLE = "report.html", "report.csv"
_WORST_CASES = 5
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


def write_report(
    folder: ResultsFolder,
    results: Sequence[Result],
    cases: Sequence[Case],
    protocol: Protocol,
    reference: str | None = None,
) -> dict[str, Any]:
    """Write page and CSV of all results in a folder and return the summary that `--json` prints.

    Args:
        cases: where the pictures of the worst cases are made from.
        reference: the method that the others are compared with, and whose worst cases are shown; the first that was
            run if not given.
    """
    failed = [r for r in results if "error" in r]
    methods = sorted(dict.fromkeys(r["method"] for r in results), key=lambda name: name != reference)
    steps = step_table(results, protocol.steps)
    summary: dict[str, Any] = {
        "out": str(folder.path),
        "report": str(folder.path / REPORT),
        "cases": len({r["case"] for r in results}),
        "failed": [{key: r[key] for key in ("case", "method", "error")} for r in failed],
        "methods": {},
    }
    sections = [_failures(failed)] if failed else []
    lead = [_protocol(protocol)]
    if not steps.empty:
        _write_csv(steps, folder.path / TABLE)
        table = case_table(steps)
        with_lesions = table[table["lesions"] > 0]
        free = table[table["lesions"] == 0]
        lead.append(_counts(table, with_lesions, free, failed))
        if not with_lesions.empty:
            bootstrap = Bootstrap(with_lesions, methods, protocol.seed)
            ranking = rank(with_lesions, methods, bootstrap)
            summary["methods"] = _summary(with_lesions, ranking, bootstrap)
            shown = steps[steps["lesions"] > 0]
            sections += _main_sections(shown, with_lesions, methods, ranking, bootstrap, protocol)
            sections.append(_worst_cases(folder, with_lesions, methods[0], cases))
        if not free.empty:
            sections.append(_lesion_free(free, methods))
    sections.append(_provenance(folder))
    with replacing(folder.path / REPORT) as temporary:
        page = render("Interactive PET/CT segmentation: benchmark", lead, sections)
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    return summary


def _write_csv(steps: pd.DataFrame, path: Path) -> None:
    with replacing(path) as temporary:
        steps.map(defused).to_csv(temporary, index=False, errors="backslashreplace")


def _summary(table: pd.DataFrame, ranking: Ranking, bootstrap: Bootstrap) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in ranking.table.to_dict("records"):
        method = str(row["method"])
        entry: dict[str, Any] = {"rank": row["combined"]}
        for metric in (*RANKED, "dice", "dmm"):
            interval = bootstrap.interval(metric, method)
            entry[metric] = interval.mean
            entry[f"{metric}_ci"] = [interval.low, interval.high]
        seconds = table.loc[table["method"] == method, "seconds"].median()
        found[method] = {**entry, "seconds": None if pd.isna(seconds) else float(seconds)}
    return found


def _protocol(protocol: Protocol) -> str:
    start = "a first click of the reader" if protocol.start == "click" else "nothing"
    return (
        f"Reader {protocol.reader}, {protocol.steps} corrections, started from {start}, seed {protocol.seed}. "
        "Every method is given the study and the reader's strokes and never the truth; the reader corrects each "
        "method's own mask."
    )


def _counts(table: pd.DataFrame, with_lesions: pd.DataFrame, free: pd.DataFrame, failed: Sequence[Result]) -> str:
    return (
        f"{table['case'].nunique()} cases of {table['patient'].nunique()} patients: {with_lesions['case'].nunique()} "
        f"with lesions, {free['case'].nunique()} without, which are reported apart. {len(failed)} failures; a failed "
        "case counts with Dice and DMM of 0. Intervals are 95 % bootstrap intervals over patients."
    )


def _main_sections(
    steps: pd.DataFrame,
    table: pd.DataFrame,
    methods: Sequence[str],
    ranking: Ranking,
    bootstrap: Bootstrap,
    protocol: Protocol,
) -> list[Section]:
    tau = float(pd.Series(ranking.tau).mean())
    return [
        Section(
            "Ranking",
            ["The combined rank is that of the mean of the ranks by AUC-Dice and AUC-DMM, as in the challenge."],
            [_ranking_table(table, ranking, bootstrap, protocol.steps)],
        ),
        Section(
            "Dice and DMM over the steps",
            [],
            [_step_means(steps, ranking, "dice"), _step_means(steps, ranking, "dmm")],
            [Image(svg(figures.curves(steps, methods)), "Mean Dice and DMM over the steps.")],
        ),
        Section(
            "Scores after the last correction",
            ["Means over the cases where a score is defined. Overshoot: best step minus last. Errors are relative."],
            [_scores_table(table, ranking)],
        ),
        Section(
            "Effort and cost",
            ["Corrections to a Dice: median over the cases that reach it, and how many do."],
            [_cost_table(table, ranking)],
        ),
        Section(
            "Spread over the cases",
            [],
            [],
            [Image(svg(figures.boxes(table, methods, protocol.steps)), "AUC-Dice of every case.")],
        ),
        Section(
            "Differences",
            [
                f"Against {methods[0]}: mean difference over patients, two-sided Wilcoxon signed-rank test, "
                "p adjusted by Holm's method within each metric."
            ],
            [_differences(table, methods, metric) for metric in RANKED if len(methods) > 1],
        ),
        Section(
            "Rank stability",
            [f"Kendall's tau between the ranking and that of redrawn patients: mean {number(tau, 2)}."],
            [],
            [Image(svg(figures.stability(ranking, methods)), "Combined ranks under bootstrap.")],
        ),
        Section("Groups", ["Mean AUC-Dice."], _group_tables(table, methods)),
        Section(
            "Volumes",
            [],
            [],
            [
                Image(
                    svg(figures.bland_altman(table, methods)),
                    "Bland-Altman: segmented against true volume after the last correction, with bias (line) and "
                    "limits of agreement (dashed); differences are at most 200 % of the mean.",
                )
            ],
        ),
    ]


def _order(ranking: Ranking) -> list[str]:
    return [str(method) for method in ranking.table["method"]]


def _with_best(texts: Sequence[str], values: Sequence[float | None]) -> list[Cell]:
    defined = [v for v in values if v is not None and v == v]
    return [Cell(text, best=bool(defined) and value == max(defined)) for text, value in zip(texts, values, strict=True)]


def _ranking_table(table: pd.DataFrame, ranking: Ranking, bootstrap: Bootstrap, steps: int) -> Table:
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


def _step_means(steps: pd.DataFrame, ranking: Ranking, metric: str) -> Table:
    means = steps.groupby(["method", "step"])[metric].mean().unstack("step")
    order = _order(ranking)
    columns = [
        _with_best([number(v) for v in means.loc[order, step]], means.loc[order, step].tolist())
        for step in means.columns
    ]
    rows = [[Cell(method), *(column[i] for column in columns)] for i, method in enumerate(order)]
    return Table([f"mean {'Dice' if metric == 'dice' else 'DMM'} at step", *map(str, means.columns)], rows)


def _scores_table(table: pd.DataFrame, ranking: Ranking) -> Table:
    means = table.groupby("method")[[column for column, _, _ in _SCORES]].mean()
    rows = [
        [Cell(method), *(Cell(number(means.loc[method, column], digits)) for column, _, digits in _SCORES)]
        for method in _order(ranking)
    ]
    return Table(["method", *(name for _, name, _ in _SCORES)], rows)


def _cost_table(table: pd.DataFrame, ranking: Ranking) -> Table:
    rows = []
    for method in _order(ranking):
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


def _differences(table: pd.DataFrame, methods: Sequence[str], metric: str) -> Table:
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


def _group_tables(table: pd.DataFrame, methods: Sequence[str]) -> list[Table]:
    groups = by_group(table, methods)
    rows = []
    for row in groups.to_dict("records"):
        values = [row[method] for method in methods]
        group = f"{row['grouping'].replace('_', ' ')}: {row['group']}"
        rows.append([Cell(group), Cell(str(row["cases"])), *_with_best([number(v) for v in values], values)])
    worst = [[Cell(method), Cell(worst_group(groups, method) or "–")] for method in methods]
    return [Table(["group", "cases", *methods], rows), Table(["method", "worst group of at least 3 cases"], worst)]


def _lesion_free(table: pd.DataFrame, methods: Sequence[str]) -> Section:
    rows = []
    for method in methods:
        part = table[table["method"] == method]
        empty = int((part["volume_ml"] == 0).sum())
        texts = (method, len(part), f"{empty} of {len(part)}", number(part["fpv_ml"].mean(), 2))
        rows.append([Cell(str(text)) for text in (*texts, number(part["auc_dice"].mean()))])
    columns = ["method", "cases", "left empty", "FPV at the last step, mL", "AUC-Dice"]
    return Section("Cases without lesions", ["The reader draws nothing in them."], [Table(columns, rows)])


def _failures(failed: Sequence[Result]) -> Section:
    rows = [[Cell(r["method"]), Cell(r["case"]), Cell(r["error"])] for r in failed]
    return Section("Failures", [], [Table(["method", "case", "error"], rows)])


def _worst_cases(folder: ResultsFolder, table: pd.DataFrame, method: str, cases: Sequence[Case]) -> Section:
    section = Section(
        "Worst cases",
        [f"The cases with the lowest Dice of {method} after the last correction: PET, truth and prediction."],
    )
    known = {case.name: case for case in cases}
    part = table[(table["method"] == method) & table["error"].isna() & table["case"].isin(list(known))]
    for row in part.nsmallest(_WORST_CASES, "dice").to_dict("records"):
        case = known[str(row["case"])]
        study = case.study()
        mask = sitk.GetArrayFromImage(folder.read_mask(case.name, method))
        title = f"{case.name}: Dice {row['dice']:.3f}, {row['volume_ml']:.1f} of {row['true_volume_ml']:.1f} mL"
        figure = pictures.picture(study, case.mask(study.grid), mask)
        section.images.append(Image(png(figure), title, "png"))
    return section


def _provenance(folder: ResultsFolder) -> Section:
    manifest = json.loads((folder.path / MANIFEST).read_text(encoding="utf-8"))
    weights = [
        [Cell(name), Cell(", ".join(f"{key} {value}" for key, value in facts.items()) or "no weights")]
        for name, facts in manifest["methods"].items()
    ]
    versions = [[Cell(name), Cell(version or "absent")] for name, version in manifest["packages"].items()]
    system = ", ".join(f"{key} {value}" for key, value in manifest["system"].items())
    return Section(
        "What was run", [f"{system}."], [Table(["method", "weights"], weights), Table(["package", "version"], versions)]
    )
