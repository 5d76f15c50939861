"""Tables of single cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from sam_pet.page import Cell, Table, number

# Column, heading, digits.
_CASE = (
    ("patient", "patient", None),
    ("tracer", "tracer", None),
    ("centre", "centre", None),
    ("lesions", "lesions", 0),
    ("lesion_ml", "median lesion, mL", 2),
    ("suv_max", "SUVmax", 2),
)
_LAST = (
    ("label", "last stroke", None),
    ("interactions", "strokes", 0),
    ("voxels", "voxels", 0),
    ("degrees_of_freedom", "d.o.f.", 0),
    ("seconds", "s", 2),
    ("peak_mb", "MB", 0),
    ("dice", "Dice", 3),
    ("dmm", "DMM", 3),
    ("tp", "TP", 0),
    ("fp", "FP", 0),
    ("fn", "FN", 0),
    ("fpv_ml", "FPV", 2),
    ("fnv_ml", "FNV", 2),
    ("nsd_2mm", "NSD", 3),
    ("hd95_mm", "HD95", 1),
    ("volume_ml", "mL", 1),
    ("true_volume_ml", "true mL", 1),
    ("tmtv_error_ml", "error mL", 1),
    ("volume_bias", "bias", 2),
    ("suv_mean_error", "SUV err.", 2),
    ("tlg_error", "TLG err.", 2),
)


def cases_of(table: pd.DataFrame) -> Table:
    """What is known of each case beside its scores; columns that no case has are left out."""
    rows = table.drop_duplicates("case").sort_values("case")
    return _table(rows, ["case"], [column for column in _CASE if rows[column[0]].notna().any()])


def case_rows(steps: pd.DataFrame) -> Table:
    """Scores and costs after the last step, of each case and method."""
    rows = steps.sort_values("step", kind="stable").groupby(["method", "case"], sort=False).tail(1)
    rows = rows.sort_values(["method", "case"])
    return _table(rows, ["method", "case"], [column for column in _LAST if column[0] in rows])


def steps_of(steps: pd.DataFrame, metric: str, digits: int = 3) -> Table:
    """A metric at each step, of each case and method."""
    wide = steps.pivot_table(index=["method", "case"], columns="step", values=metric, dropna=False, sort=True)
    wide = wide.dropna(how="all")
    rows = [
        [Cell(str(method)), Cell(str(case)), *(Cell(number(value, digits)) for value in values)]
        for (method, case), values in zip(wide.index, wide.to_numpy(), strict=True)
    ]
    return Table(["method", "case", *(f"step {step}" for step in wide.columns)], rows)


def _table(rows: pd.DataFrame, keys: Sequence[str], columns: Sequence[tuple[str, str, int | None]]) -> Table:
    cells = [
        [
            *(Cell(str(row[key])) for key in keys),
            *(Cell(_text(row[column], digits)) for column, _, digits in columns),
        ]
        for row in rows.to_dict("records")
    ]
    return Table([*keys, *(heading for _, heading, _ in columns)], cells)


def _text(value: Any, digits: int | None) -> str:
    if digits is not None:
        return number(value, digits)
    return "–" if pd.isna(value) else str(value)
