"""The table of numbers that decide is that of the code."""

from __future__ import annotations

import runpy

from sam_pet.settings import InferenceSettings
from tests.docs.blocks import ROOT


def test_the_table_is_that_of_the_code() -> None:
    maker = runpy.run_path(str(ROOT / "docs" / "settings_table.py"))
    assert maker["PAGE"].read_text(encoding="utf-8") == maker["page"](), "python docs/settings_table.py writes it anew"


def test_the_text_counts_them() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert f"The {len(InferenceSettings.numbers())} numbers that decide" in text
