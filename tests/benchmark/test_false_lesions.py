from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_pet.files import write_image
from sam_pet.readers.scribbles import STRATEGIES
from tests.fakes import two_lesion_study

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    for name in ("worlds", "false_lesions"):
        sys.modules.pop(name, None)
    return importlib.import_module("false_lesions")


def test_gone_means_another_thing_for_false_lesions_than_for_true_ones(script: Any) -> None:
    def row(false: bool, *dice: float) -> dict[str, Any]:
        return {"false": false, "strategy": "random", "dice": list(dice)}

    rows = [row(True, 0.0, 1.0), row(True, 0.0, 0.0, 1.0), row(False, 0.6, 0.8, 0.8), row(False, 0.6, 0.0)]
    assert script.summarise(rows) == {
        "false, random": {"lesions": 2, "gone_after": [0.5, 1.0], "dice": [0.0, 0.5, 1.0]},
        "true, random": {"lesions": 2, "gone_after": [0.5, 0.5], "dice": [0.6, 0.4, 0.4]},
    }


def test_one_of_two_lesions_that_the_truth_does_not_hold_is_stroked_away(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = two_lesion_study()
    folder = tmp_path / "data" / "wholebody" / "STS_001"
    write_image(here.grid.image(here.pet), folder / "SUV.nii.gz")
    write_image(here.grid.image(np.zeros(here.pet.shape, np.uint8)), folder / "SEG.nii.gz")
    asked = f"false_lesions.py --data {tmp_path}/data --out {tmp_path}/made/rows.jsonl --world D --n 1 --bar 0.001"
    monkeypatch.setattr("sys.argv", asked.split())
    script.main()
    table = json.loads(capsys.readouterr().out)["D"]
    assert set(table) == {f"false, {strategy}" for strategy in STRATEGIES}
    assert all(row["lesions"] >= 1 and row["dice"][0] == 0 for row in table.values())
    # Of what nobody pointed at one stroke leaves nothing, or a second one does.
    assert all(row["gone_after"][1] > 0 for row in table.values())
    lines = (tmp_path / "made" / "rows.jsonl").read_text().splitlines()
    assert len(lines) == sum(row["lesions"] for row in table.values())
