"""The page over a cohort: how many studies are done, what failed and why, and the largest volumes."""

from __future__ import annotations

from collections import Counter
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sam_pet.cohort.folder import RESULTS, TABLE
from sam_pet.cohort.totals import Totals, report_of
from sam_pet.page import Cell, Image, Section, Table, number, render
from sam_pet.plots.style import COLOURS, STYLE, svg

_MOST_LESIONS = 20


def page(totals: Totals) -> str:
    """The page as HTML that needs nothing else."""
    sections = [
        Section("Totals", [], [Table([], [[Cell(name), Cell(value)] for name, value in _lines(totals)])]),
        *([_faults(totals)] if totals.failed else []),
        *([_spread(totals)] if totals.done else []),
        *([_studies(totals)] if totals.done else []),
    ]
    lead = [f"All studies are in {RESULTS}, all lesions in {TABLE}."]
    if totals.untrained:
        lead.append(f"The model of {totals.untrained} studies is untrained: their masks mean nothing.")
    return render(f"{totals.done + totals.failed:,} studies", lead, sections)


def _lines(totals: Totals) -> list[tuple[str, str]]:
    return [
        ("done", f"{totals.done:,}"),
        ("failed", f"{totals.failed:,}"),
        ("with lesions", f"{totals.done - totals.of_lesions[0]:,}"),
        ("lesions", f"{totals.lesions:,}"),
        ("total MTV", f"{totals.volume_ml:,.1f} mL"),
        ("reading, segmenting, writing", _duration(totals.seconds)),
        *((f"by {name}", f"{count:,}") for name, count in totals.models.most_common()),
    ]


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 3600:.2f} h"


def _faults(totals: Totals) -> Section:
    rows = [[Cell(name), Cell(error)] for name, error in totals.faults]
    missing = totals.failed - len(totals.faults)
    notes = ["They are tried again by the next run."]
    if missing:
        notes.append(f"{missing:,} more are in {RESULTS}.")
    return Section("Failed", notes, [Table(["study", "why"], rows)])


def _studies(totals: Totals) -> Section:
    rows = [_row(row) for _, _, row in sorted(totals.largest, key=lambda entry: (-entry[0], entry[1]))]
    columns = ["study", "lesions", "MTV, mL", "TLG, g", "SUVmax", "seconds"]
    shown = f"Those with the largest of {totals.done:,} volumes." if totals.done > len(rows) else "By volume."
    return Section("Studies", [shown], [Table(columns, rows)])


def _row(row: dict[str, Any]) -> list[Cell]:
    seconds = sum(row[name] or 0.0 for name in ("read_s", "work_s", "write_s"))
    numbers = (str(row["lesions"]), number(row["volume_ml"], 1), number(row["tlg"], 1), number(row["suv_max"], 1))
    return [Cell(row["study"], link=report_of(row)), *map(Cell, numbers), Cell(number(seconds, 1))]


def _spread(totals: Totals) -> Section:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 2.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        lesions: Counter[int] = Counter()
        for count, studies in totals.of_lesions.items():
            lesions[min(count, _MOST_LESIONS)] += studies
        left.bar(list(lesions), list(lesions.values()), color=COLOURS[1])
        left.set(xlabel=f"lesions ({_MOST_LESIONS}: and more)", ylabel="studies", xlim=(-0.6, _MOST_LESIONS + 0.6))
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        powers = sorted(totals.of_volume)
        right.bar(powers, [totals.of_volume[power] for power in powers], color=COLOURS[1])
        ticks = range(-1, max(powers, default=0) + 1, 2)
        labels = ["< 1" if power < 0 else f"{2**power:,}" for power in ticks]
        right.set(xlabel="MTV of studies with lesions, from mL", ylabel="studies", xticks=ticks, xticklabels=labels)
    return Section("Spread", [], [], [Image(svg(figure), "Studies by their number of lesions, and by volume.")])
