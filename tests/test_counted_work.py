"""No operation takes more work than was kept: frames, network operations, imports, bytes; never seconds."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "counted.py"


@cache
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("counted", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def kept() -> dict[str, Any]:
    return dict(json.loads(script().BASELINE.read_text(encoding="utf-8")))


@cache
def operations() -> dict[str, dict[str, float]]:
    return dict(script().operations())


@pytest.mark.parametrize("name", ["first click", "tumor stroke", "background stroke", "first answer"])
def test_an_operation_takes_the_work_that_was_kept(name: str) -> None:
    """If it takes less, keep that: python benchmarks/counted.py --write."""
    found, wanted = operations()[name], kept()["operations"][name]
    if kept()["torch"] != script().torch.__version__.partition("+")[0]:
        # Other versions count a few operations otherwise.
        found, wanted = ({key: count for key, count in work.items() if key != "gflop"} for work in (found, wanted))
    assert found == wanted


def test_a_click_draws_each_cube_once() -> None:
    assert operations()["first click"]["cubes"] == 3


def test_a_click_imports_nothing_that_it_does_not_need() -> None:
    assert set(script().unneeded_imports()) <= set(kept()["unneeded_imports"])


def test_a_file_is_read_once() -> None:
    found = script().bytes_read()
    if found is None:
        pytest.skip("this system does not tell what is read")
    assert found <= 1.1
