from __future__ import annotations

import importlib
import json
import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_pet.benchmark.watched import Watched
from sam_pet.files import write_image
from sam_pet.geometry import Grid
from sam_pet.methods.method import StrokesMethod
from sam_pet.readers import Stroke
from sam_pet.study import Study
from tests.fakes import two_lesion_study

GRID = Grid((12, 6, 6))
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "worlds.py"


def block(x: int, size: int = 3) -> np.ndarray:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[2:5, 1:4, x : x + size] = 1
    return mask


class Scripted:
    """Shows the masks it was given, one after each stroke."""

    name = "scripted"
    facts: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, *masks: np.ndarray) -> None:
        self.masks = list(masks)

    def open(self, study: Study) -> Any:
        del study
        self.step = 0
        return self

    answer = open

    def add(self, stroke: Stroke) -> None:
        del stroke
        self.step += 1

    @property
    def mask(self) -> np.ndarray:
        return self.masks[self.step]


def stroke(x: int, label: str) -> Stroke:
    return Stroke(label, np.array([(x, 2, 3)]), "scribble")  # type: ignore[arg-type]


def watched(masks: list[np.ndarray], strokes: list[Stroke]) -> Watched:
    found = Watched(Scripted(*masks))
    session = found.answer(Study(np.zeros(GRID.shape, np.float32), None, GRID))
    for one in strokes:
        session.add(one)
    return found


def test_a_false_lesion_is_counted_until_its_last_voxel_is_gone() -> None:
    true, false, rest = block(0), block(8), block(9, 1)
    masks = [true | false, true | rest, true]
    found = watched(masks, [stroke(8, "background"), stroke(9, "background")])
    assert found.false_lesions(true) == [{"voxels": 27, "first_answer": True, "strokes": 2, "gone": 2}]


def test_one_that_stays_has_no_end_and_a_trimmed_true_lesion_is_none() -> None:
    true, false = block(0), block(8)
    found = watched([true | false] * 2, [stroke(8, "background")])
    assert found.false_lesions(true)[0]["gone"] is None
    assert watched([block(0, 4), true], [stroke(3, "background")]).false_lesions(true) == []


def test_effects_tell_true_from_false_and_whether_strokes_are_obeyed() -> None:
    true, false = block(0), block(8)
    found = watched([true, true | false, false], [stroke(8, "tumor"), stroke(8, "background")]).effects(true)
    assert found[0] == {"label": "tumor", "true_removed": 0, "false_removed": 0, "false_added": 27, "obeyed": True}
    assert found[1]["true_removed"] == 27
    assert not found[1]["obeyed"]


def test_without_the_first_answer_a_session_starts_from_nothing() -> None:
    method = Watched(StrokesMethod("empty", lambda *_: np.zeros(GRID.shape)), first=False)
    assert not method.answer(Study(np.zeros(GRID.shape, np.float32), None, GRID)).mask.any()


def test_the_table_of_worlds_keeps_lesion_free_studies_apart() -> None:
    def case(lesions: int, dice: list[float], gone: list[int | None]) -> dict[str, Any]:
        labels = [None, *["tumor" if lesions else None] * (len(dice) - 1)]
        rows = [
            {"dice": d, "dmm": 0.5, "label": at, "fpv_ml": 2.0, "seconds": 1.0}
            for d, at in zip(dice, labels, strict=True)
        ]
        return {
            "case": f"{lesions}", "lesions": lesions, "first": True, "first_false_ml": 3.0, "picture": "p.png",
            "rows": rows,
            "effects": [{"obeyed": True, "false_added_ml": 2.0}], "false_lesions": [{"gone": g} for g in gone],
        }  # fmt: skip

    found = runpy.run_path(str(SCRIPT))["summarise"]([case(2, [0.5, 0.7, 0.6], [1, 2, None]), case(0, [1, 1, 1], [])])
    assert found["lesion_free_auc_dice"] == 2.0
    assert found["dice_by_step"] == [0.5, 0.7, 0.6]
    assert (found["gone_after_one"], found["gone_after_two"]) == (0.33, 0.67)
    assert found["strokes_that_lower_dice"] == 0.5
    assert found["worst"]["case"] == "2"


def test_worlds_are_run_both_ways_drawn_and_gone_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    here = two_lesion_study()
    for folder in ("wholebody/STS_001", "lung/A-IA0002109"):
        write_image(here.grid.image(here.pet), tmp_path / "data" / folder / "SUV.nii.gz")
        write_image(here.grid.image((here.pet > 5).astype(np.uint8)), tmp_path / "data" / folder / "SEG.nii.gz")
    command = f"worlds.py --data {tmp_path}/data --out {tmp_path}/out --world D --n 2 --steps 1 --method threshold41"
    monkeypatch.setattr("sys.argv", command.split())
    tables = []
    for _ in range(2):
        sys.modules.pop("worlds", None)
        monkeypatch.syspath_prepend(str(SCRIPT.parent))
        importlib.import_module("worlds").main()
        tables.append(json.loads(capsys.readouterr().out))
    assert tables[0] == tables[1]
    assert set(tables[0]) == {"D, first answer", "D, strokes alone"}
    assert len((tmp_path / "out" / "cases.jsonl").read_text().splitlines()) == 4
    assert Path(tables[0]["D, strokes alone"]["worst"]["picture"]).is_file()
