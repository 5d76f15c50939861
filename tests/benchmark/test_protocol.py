from __future__ import annotations

import json

import numpy as np
import pytest

from sam_pet.benchmark.protocol import Protocol, run_case
from sam_pet.cases import find_cases
from sam_pet.readers import Stroke, make_reader
from sam_pet.study import Study
from tests.benchmark.cases import TRUTH, write_case
from tests.methods.conftest import CLASSICAL, LEARNED, methods  # noqa: F401
from tests.methods.studies import GRID, ball


class Recorder:
    """A method that remembers all it is given, and returns one mask after another."""

    name, facts = "recorder", {}

    def __init__(self, *masks):
        self.masks = masks
        self.given = []

    def open(self, *given, **named):
        self.given += [*given, *named.values()]
        return self

    def add(self, *given, **named):
        self.given += [*given, *named.values()]

    @property
    def mask(self):
        strokes = sum(isinstance(item, Stroke) for item in self.given)
        return self.masks[min(strokes, len(self.masks) - 1)].astype(np.uint8)


NOTHING = np.zeros(GRID.shape, bool)
HALF = TRUTH & (np.indices(GRID.shape)[2] < 12)


@pytest.fixture
def case(tmp_path):
    write_case(tmp_path / "A")
    return find_cases(tmp_path)[0]


def run(case, method, reader="scribble-centerline", steps=3, start="nothing"):
    return run_case(case, method, make_reader(reader, case.name), Protocol(reader, steps, start, 42))


def test_a_run_from_nothing_scores_the_empty_mask_first(case):
    rows = run(case, Recorder(NOTHING, HALF, TRUTH)).rows
    dice = 2 * HALF.sum() / (HALF.sum() + TRUTH.sum())
    assert [row["dice"] for row in rows] == pytest.approx([0, dice, 1, 1])
    assert [row["label"] for row in rows] == [None, "tumor", "tumor", None]
    assert [row["interactions"] for row in rows] == [0, 1, 2, 2]


def test_a_run_from_a_click_has_it_before_step_0(case):
    outcome = run(case, Recorder(NOTHING, HALF, TRUTH), start="click")
    assert [row["interactions"] for row in outcome.rows] == [1, 2, 2, 2]
    assert [stroke.kind for stroke in outcome.strokes] == ["click", "scribble"]
    assert np.array_equal(outcome.mask, TRUTH)


def test_no_more_strokes_are_drawn_than_the_protocol_has_steps(case):
    method = Recorder(NOTHING)
    assert len(run(case, method, steps=4).strokes) == 4
    assert sum(isinstance(item, Stroke) for item in method.given) == 4


def test_a_method_is_handed_the_study_and_strokes_and_nothing_else(case):
    method = Recorder(NOTHING, HALF)
    run(case, method)
    assert [type(item) for item in method.given] == [Study, Stroke, Stroke, Stroke]
    assert set(vars(method.given[0])) <= {"pet", "ct", "grid", "order", "ct_share"}


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
def test_under_the_same_strokes_a_method_gives_the_same_mask_whatever_the_truth_is(tmp_path, methods, name):  # noqa: F811
    strokes = tmp_path / "strokes.json"
    prompts = [
        {"kind": "click", "label": "tumor", "voxels": [[12, 11, 8]]},
        {"kind": "scribble", "label": "background", "voxels": [[15, 11, 8], [15, 12, 8]]},
    ]
    strokes.write_text(json.dumps({"type": "sam_pet prompts", "prompts": prompts}))
    write_case(tmp_path / "cases" / "A")
    write_case(tmp_path / "cases" / "B", truth=ball((4, 4, 4), 8.0))
    one, other = (run(case, methods[name], f"replay:{strokes}", steps=2) for case in find_cases(tmp_path / "cases"))
    assert one.mask.any()
    assert np.array_equal(one.mask, other.mask)
    assert one.rows[-1]["dice"] != other.rows[-1]["dice"]


def test_seconds_and_memory_of_every_step_are_measured(case):
    rows = run(case, Recorder(NOTHING)).rows
    assert all(row["seconds"] >= 0 and row["peak_mb"] > 1 for row in rows)


def test_the_facts_are_those_of_the_truth(case):
    facts = run(case, Recorder(NOTHING)).facts
    assert (facts["lesions"], facts["suv_max"], facts["patient"], facts["tracer"]) == (1, 10.0, "A", None)
    assert facts["lesion_ml"] == pytest.approx(TRUTH.sum() * 4 * 4 * 3 / 1000)


@pytest.mark.parametrize("mask", [np.zeros((3, 3, 3), bool), 2 * TRUTH.astype(np.uint8)])
def test_a_mask_off_the_grid_or_of_other_values_is_a_failure(case, mask):
    with pytest.raises(ValueError, match="not 0 and 1 on the grid"):
        run(case, Recorder(mask))
