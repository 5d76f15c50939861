"""Cells of CSV files that a spreadsheet may open."""

from __future__ import annotations

from typing import Any


def defused(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula, nor for the end of a row.

    Examples:
        >>> from sam_pet.csv_cells import defused
        >>> [defused(cell) for cell in ("a case", "=1+1", -0.5)]
        ['a case', "'=1+1", -0.5]
    """
    if not isinstance(value, str):
        return value
    text = "".join(" " if ord(c) < ord(" ") else c for c in value)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text
