from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.cases import Case, find_cases
from sam_pet.files import write_image
from sam_pet.geometry import Grid

GRID = Grid((20, 16, 8), (2.0, 2.0, 3.0), (1.0, 2.0, 3.0))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    pet = np.zeros(GRID.shape, np.float32)
    pet[2:5, 4:9, 5:12] = 8.0
    ct = np.full(GRID.shape, -1000, np.int16)
    ct[:, 3:12, 3:16] = 40
    folder = tmp_path / "cases"
    for name, array in (("CTres", ct), ("SUV", pet), ("SEG", (pet > 5).astype(np.uint8))):
        write_image(GRID.image(array), folder / "one case" / f"{name}.nii.gz")
    return find_cases(folder)[0]


class FakeEngine:
    """Answers nothing at first, then the box of the truth less a column; what it does wrong is chosen by step."""

    name = "fake"

    def __init__(self, faults: dict[int, str]) -> None:
        self.faults = faults
        self.seen: list[Any] = []

    def run(self, folders: Any, variables: dict[str, str]) -> Any:
        from engines import Run

        assert variables == {}
        step = len(self.seen)
        (ct,), (pet,) = ((folders.input / "images" / kind).iterdir() for kind in ("ct", "pet"))
        points = json.loads((folders.input / "lesion-clicks.json").read_text())["points"]
        self.seen.append((ct.name, pet.name, points))
        array = np.zeros(GRID.shape, np.uint8)
        if step:
            array[2:5, 4:9, 5:11] = 1
        fault = self.faults.get(step)
        target = folders.output / "images/tumor-lesion-segmentation"
        for old in target.glob("*"):
            if fault != "left one behind":
                old.unlink()
        image = sitk.ReadImage(ct) * 0
        written = Grid.of(image).image(array if fault != "values" else array * 2)
        if fault == "geometry":
            written.SetSpacing((1.0, 1.0, 1.0))
        if fault != "nothing":
            write_image(written, target / ct.name)
        status = {"timeout": None, "crash": 3}.get(fault or "", 0)
        return Run(status, '{"answer": "fake", "fallback": false, "peak_mb": 1.0}\n', "log", 0.5, 0.25)


def run(case: Case, tmp_path: Path, **faults: str) -> tuple[list[Any], FakeEngine]:
    from interactive_loop import run_case

    engine = FakeEngine({int(step.strip("_")): fault for step, fault in faults.items()})
    return run_case(case, engine, tmp_path / "out", "scribble-random"), engine


def test_strokes_accumulate_and_names_change_with_every_step(case: Case, tmp_path: Path) -> None:
    steps, engine = run(case, tmp_path)
    assert [s.iteration for s in steps] == [0, 1, 2, 3, 4, 5]
    assert engine.seen[0][2] == []
    counts = [len(points) for _, _, points in engine.seen]
    assert counts == sorted(counts)
    assert counts[1] > 0
    assert all(entry["name"] == "tumor" for entry in engine.seen[1][2])
    names = [name for ct, pet, _ in engine.seen for name in (ct, pet)]
    assert len(set(names)) == 12
    assert steps[0].dice == 0
    # 3 x 5 x 6 of 3 x 5 x 7 voxels.
    assert steps[1].dice == pytest.approx(2 * 90 / (90 + 105))
    assert steps[1].dmm == 1.0
    assert not list((tmp_path / "out/input").rglob("*.mha"))


@pytest.mark.parametrize("fault", ["timeout", "crash", "nothing", "values", "geometry", "left one behind"])
def test_a_step_that_breaks_the_contract_scores_nothing_and_the_others_go_on(
    case: Case, tmp_path: Path, fault: str
) -> None:
    steps, _ = run(case, tmp_path, _2=fault)
    assert [s.iteration for s in steps if s.fault] == [2]
    assert (steps[2].dice, steps[2].dmm) == (0.0, 0.0)
    assert steps[3].dice > 0.9


def test_scores_have_the_form_of_the_challenges_own(case: Case, tmp_path: Path, data: Path) -> None:
    from interactive_loop import challenge_name, write_scores

    steps, _ = run(case, tmp_path)
    write_scores({challenge_name(case): steps}, tmp_path)
    theirs = json.loads((data / "autopet/reference_run/dice_scores.json").read_text())
    ours = json.loads((tmp_path / "dice_scores.json").read_text())
    assert list(ours) == ["one case"]
    assert ours["one case"][1].keys() == next(iter(theirs.values()))[1].keys()
    areas = json.loads((tmp_path / "dice_scores_AUC.json").read_text())
    assert areas["one case"]["auc"] == pytest.approx(np.trapezoid([s.dice for s in steps]))


def test_a_case_in_nnunets_layout_is_called_after_its_ct() -> None:
    from interactive_loop import challenge_name

    case = Case("fdg_a  b", Path("imagesTr/fdg_a  b_0000.nii.gz"), Path("p"), Path("t"))
    assert challenge_name(case) == "fdg_a  b_0000"


def test_what_is_beyond_the_limits_is_told(case: Case, tmp_path: Path) -> None:
    from dataclasses import replace

    from container_test import beyond_limits

    steps, _ = run(case, tmp_path)
    assert beyond_limits({"case": steps}) == []
    slow = [replace(steps[0], seconds=119.0), replace(steps[1], seconds=46.0), replace(steps[2], peak_gb=6.1)]
    report = dict(steps[3].report, fallback=True)
    told = beyond_limits({"case": [*slow, replace(steps[3], report=report)]})
    assert [line.split(": ")[0] for line in told] == ["case step 1", "case step 2", "case step 3"]


def test_compilers_and_test_data_are_seen_in_a_list_of_files() -> None:
    from container_test import unwanted

    bad = [
        "usr/bin/gcc",
        "usr/bin/x86_64-linux-gnu-gcc-12",
        "opt/nvidia/bin/ptxas",
        "opt/a/tests/data.csv",
        "a/b.nii.gz",
    ]
    good = [
        "usr/share/gcc/python.py",
        "usr/bin/c_rehash",
        "opt/sam_pet/testing.py",
        "usr/bin/python3.11",
        "usr/bin/last",
    ]
    assert unwanted([*bad, *good]) == bad
