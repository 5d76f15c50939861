"""Results that are damaged are told in one line, and no cell of a table is a formula."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sam_pet.benchmark.folder import ResultsFolder
from sam_pet.benchmark.protocol import Protocol
from sam_pet.benchmark.report import _write_csv
from sam_pet.errors import InputError

PROTOCOL = Protocol("click-center", 1, "click", 42)
WHOLE: dict[str, Any] = {"protocol": {}, "cases": {}, "packages": {}, "methods": {"a": {}}}


@pytest.mark.parametrize(
    "content",
    [
        [],
        None,
        7,
        {},
        {**WHOLE, "protocol": None},
        {**WHOLE, "methods": []},
        {**WHOLE, "methods": {"a": 1}},
        {**WHOLE, "cases": "x"},
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, content: Any) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"evaluate: .*manifest\.json is damaged .*; give another --out") as caught:
        ResultsFolder(tmp_path).open(PROTOCOL, [], {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"\xff"])
def test_a_manifest_that_is_no_json_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(InputError, match=r"manifest\.json is damaged"):
        ResultsFolder(tmp_path).open(PROTOCOL, [], {})


FACTS = {"patient": "a", "tracer": None, "centre": None, "lesions": 1, "lesion_ml": 2.0, "suv_max": 3.0}
SOUND = {"case": "a", "method": "m", "facts": FACTS, "rows": [{"step": 0, "dice": 0.5, "dmm": None}]}


@pytest.mark.parametrize(
    "line",
    [
        {**SOUND, "rows": [1]},
        {**SOUND, "rows": None},
        {**SOUND, "rows": [{}]},
        {**SOUND, "rows": [{"step": "0", "dice": 0.5, "dmm": None}]},
        {**SOUND, "rows": [{"step": 0, "dice": True, "dmm": None}]},
        {**SOUND, "facts": {"patient": "a"}},
        {**SOUND, "case": 7},
        {"case": "a"},
        [],
        7,
    ],
)
def test_a_damaged_line_is_named_unless_a_killed_run_left_it(tmp_path: Path, line: Any) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(json.dumps(line) + "\n" + json.dumps(SOUND) + "\n")
    with pytest.raises(InputError, match=r"evaluate: line 1 of .*results\.jsonl is damaged; remove the line"):
        ResultsFolder(tmp_path).results()
    path.write_text(json.dumps(SOUND) + "\n" + json.dumps(line)[:-1])
    assert ResultsFolder(tmp_path).results() == [SOUND]
    assert path.read_text() == json.dumps(SOUND) + "\n"


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", " =1"])
def test_no_cell_is_a_formula(tmp_path: Path, name: str) -> None:
    _write_csv(pd.DataFrame({"case": [name], "dice": [-0.5]}), tmp_path / "report.csv")
    read = pd.read_csv(tmp_path / "report.csv")
    assert read["case"][0].startswith("'")
    assert read["dice"][0] == -0.5


def test_no_cell_ends_its_row(tmp_path: Path) -> None:
    _write_csv(pd.DataFrame({"case": ["a\r=1", "b\n=1"], "dice": [0.5, 0.6]}), tmp_path / "report.csv")
    assert pd.read_csv(tmp_path / "report.csv")["case"].tolist() == ["a =1", "b =1"]
