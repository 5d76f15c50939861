"""Cells of tables that other programs open."""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T")


def defused(value: T) -> T | str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
