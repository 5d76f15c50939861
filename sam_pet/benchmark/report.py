"""The report of a run: `report.html`, and every step's scores in `report.csv`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import SimpleITK as sitk

from sam_pet.audit.seal import MANIFEST
from sam_pet.benchmark import figures, pictures
from sam_pet.benchmark.agent_table import agent_section, agent_summary
from sam_pet.benchmark.folder import Result, ResultsFolder
from sam_pet.benchmark.protocol import Protocol
from sam_pet.benchmark.report_tables import (
    cost_table,
    differences,
    group_tables,
    lesion_free_table,
    ranking_table,
    scores_table,
    step_means,
)
from sam_pet.benchmark.statistics import RANKED, Bootstrap, Ranking, rank
from sam_pet.benchmark.tables import case_table, step_table
from sam_pet.cases import Case
from sam_pet.csv_cells import defused
from sam_pet.files import replacing
from sam_pet.page import Cell, Image, Section, Table, number, render
from sam_pet.plots.style import png, svg

REPORT, TABLE = "report.html", "report.csv"
_WORST_CASES = 5


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
    agents = agent_summary(results)
    if agents:
        summary["agents"] = agents
        sections.append(agent_section(agents))
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
            notes = ["The reader draws nothing in them."]
            sections.append(Section("Cases without lesions", notes, [lesion_free_table(free, methods)]))
    sections.append(_provenance(folder))
    with replacing(folder.path / REPORT) as temporary:
        page = render("Interactive PET/CT segmentation: benchmark", lead, sections)
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    folder.seal()
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
            [ranking_table(table, ranking, bootstrap, protocol.steps)],
        ),
        Section(
            "Dice and DMM over the steps",
            [],
            [step_means(steps, ranking, "dice"), step_means(steps, ranking, "dmm")],
            [Image(svg(figures.curves(steps, methods)), "Mean Dice and DMM over the steps.")],
        ),
        Section(
            "Scores after the last correction",
            ["Means over the cases where a score is defined. Overshoot: best step minus last. Errors are relative."],
            [scores_table(table, ranking)],
        ),
        Section(
            "Effort and cost",
            ["Corrections to a Dice: median over the cases that reach it, and how many do."],
            [cost_table(table, ranking)],
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
            [differences(table, methods, metric) for metric in RANKED if len(methods) > 1],
        ),
        Section(
            "Rank stability",
            [f"Kendall's tau between the ranking and that of redrawn patients: mean {number(tau, 2)}."],
            [],
            [Image(svg(figures.stability(ranking, methods)), "Combined ranks under bootstrap.")],
        ),
        Section("Groups", ["Mean AUC-Dice."], group_tables(table, methods)),
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
