"""What changes a session over HTTP, and what windows get of it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sam_pet.measures import summarise
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.study import Study
from tests.app.serving import Caller, put

FIRST, SECOND = (20, 24, 10), (44, 24, 30)


@pytest.fixture
def session(client: Caller, studies: dict[str, str]) -> str:
    return client.begin(studies["one"])


@pytest.fixture
def alone(segmenter: Segmenter, study: Study) -> Session:
    """The same study without a server."""
    return segmenter.open(study)


def test_boxes_of_changes_add_up_to_the_mask_of_a_session(
    client: Caller, session: str, alone: Session, study: Study
) -> None:
    seen = np.zeros(study.grid.shape, np.uint16)
    stroke = [[18, 24, 10], [19, 24, 10], [20, 24, 10]]
    for body in (
        {"kind": "click", "voxels": [FIRST]},
        {"kind": "box", "voxels": [[41, 21, 27], [47, 27, 33]]},
        {"kind": "scribble", "label": "background", "voxels": stroke},
    ):
        change = client.json("POST", f"/sessions/{session}/prompts", body)
        put(seen, change["update"])
    alone.add_click(FIRST)
    alone.add_box((41, 21, 27), (47, 27, 33))
    alone.add_scribble(stroke, "background")
    assert np.array_equal(seen, alone.labels)
    assert np.array_equal(client.labels(session, study.grid.shape), alone.labels)
    small = client.json("POST", f"/sessions/{session}/undo")["update"]
    assert 0 < np.prod(small["size"]) < alone.labels.size
    put(seen, small)
    alone.undo()
    assert np.array_equal(seen, alone.labels)


def test_the_table_is_that_of_the_session(client: Caller, session: str, alone: Session) -> None:
    for voxel in (FIRST, SECOND):
        change = client.click(session, voxel)
        alone.add_click(voxel)
    rows = pd.DataFrame(change["lesions"])
    columns = ["lesion", "volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg", "diameter_mm", "voxels"]
    assert rows[columns].to_dict("list") == alone.lesions[columns].to_dict("list")
    assert change["totals"] == summarise(alone.lesions)


def test_undo_redo_delete_and_reject_do_what_a_session_does(
    client: Caller, session: str, alone: Session, study: Study
) -> None:
    client.json("POST", f"/sessions/{session}/undo", status=409)
    client.click(session, FIRST)
    client.click(session, SECOND)
    before = client.labels(session, study.grid.shape)
    undone = client.json("POST", f"/sessions/{session}/undo")
    assert undone["can_redo"]
    client.json("POST", f"/sessions/{session}/redo")
    assert np.array_equal(client.labels(session, study.grid.shape), before)
    client.json("DELETE", f"/sessions/{session}/prompts/0")
    alone.add_click(SECOND)
    assert np.array_equal(client.labels(session, study.grid.shape) > 0, alone.labels > 0)
    (number,) = (row["lesion"] for row in client.json("GET", f"/sessions/{session}")["lesions"])
    client.json("POST", f"/sessions/{session}/lesions/{number}/reject")
    assert not client.labels(session, study.grid.shape).any()
    client.json("POST", f"/sessions/{session}/lesions/{number}/reject", status=404)


def test_each_rule_gives_its_outline_of_the_same_click_and_the_model_s_comes_back(
    client: Caller, session: str, study: Study
) -> None:
    model = client.click(session, FIRST)["lesions"][0]
    offered = client.json("GET", f"/sessions/{session}/lesions/1/outlines")["outlines"]
    assert [row["rule"] for row in offered] == ["model", "41%", "A50P", "SUV4", "SUV2.5", "liver"]
    assert [row["suv"] for row in offered] == [
        None,
        pytest.approx(0.41 * 8, rel=1e-5),
        pytest.approx(4.4, abs=1.2),
        4,
        2.5,
        4,
    ]
    ball = int((study.pet[:20] > 4).sum())
    for rule in ("41%", "A50P", "SUV4", "SUV2.5", "liver"):
        row = client.json("POST", f"/sessions/{session}/lesions/1/outline", {"rule": "next"})["lesions"][0]
        assert (row["outline"], row["voxels"]) == (rule, ball)
    row = client.json("POST", f"/sessions/{session}/lesions/1/outline", {"rule": "next"})["lesions"][0]
    assert (row["outline"], row["voxels"]) == ("model", model["voxels"])
    row = client.json("POST", f"/sessions/{session}/undo")["lesions"][0]
    assert (row["outline"], row["voxels"]) == ("liver", ball)
    client.json("POST", f"/sessions/{session}/lesions/1/outline", {"rule": "SUV 7"}, status=422)
    client.json("POST", f"/sessions/{session}/lesions/9/outline", {"rule": "next"}, status=404)


def test_brush_and_eraser_change_what_they_touch_and_a_threshold_bounds_them(
    client: Caller, session: str, study: Study
) -> None:
    x, y, z = FIRST
    brush = {"mode": "paint", "path": [FIRST], "radius_mm": 30.0}
    painted = client.json("POST", f"/sessions/{session}/brush", {**brush, "min_suv": 4.0})
    labels = client.labels(session, study.grid.shape)
    expected = np.zeros_like(labels)
    expected[z] = study.pet[z] > 4
    expected[:, :, 32:] = 0
    assert np.array_equal(labels, expected)
    assert painted["lesions"][0]["outline"] == "paint"
    whole = client.json("POST", f"/sessions/{session}/brush", {**brush, "shape": "ball", "lesion": 1, "radius_mm": 8})
    assert len(whole["lesions"]) == 1
    assert whole["lesions"][0]["size"][2] == 5
    erased = client.json(
        "POST", f"/sessions/{session}/brush", {"mode": "erase", "path": [[x, y - 9, z], [x, y + 9, z]], "radius_mm": 3}
    )
    labels = client.labels(session, study.grid.shape)
    assert not labels[z, :, x].any()
    assert labels[z, y, x - 2] == labels[z + 1, y, x] == 1
    assert len(erased["lesions"]) == 1
    client.json(
        "POST", f"/sessions/{session}/brush", {"mode": "erase", "path": [[-50, -50, -50]], "radius_mm": 3}, status=409
    )


def test_strokes_correct_what_is_painted(client: Caller, session: str, study: Study) -> None:
    x, y, z = FIRST
    ball = {"mode": "paint", "path": [FIRST], "radius_mm": 10, "shape": "ball"}
    client.json("POST", f"/sessions/{session}/brush", ball)
    painted = client.labels(session, study.grid.shape)
    stroke = {"kind": "scribble", "label": "background", "voxels": [[x, y, z], [x + 1, y, z]]}
    client.json("POST", f"/sessions/{session}/prompts", stroke)
    labels = client.labels(session, study.grid.shape)
    assert labels[z, y, x] == labels[z, y, x + 1] == 0
    assert not (labels > painted).any()
    change = client.click(session, (x, y, z + 1))
    assert [row["lesion"] for row in change["lesions"]] == [1]
    assert (client.labels(session, study.grid.shape)[labels > 0] == 1).all()


def test_a_preselection_marks_what_is_hot_and_large_and_leaves_what_is_marked(
    client: Caller, session: str, study: Study
) -> None:
    client.json("POST", f"/sessions/{session}/preselect", {"rule": "SUV4", "suv": 9}, status=409)
    change = client.json("POST", f"/sessions/{session}/preselect", {"rule": "SUV4"})
    labels = client.labels(session, study.grid.shape)
    assert np.array_equal(labels > 0, study.pet >= 4)
    assert [row["found"] for row in change["lesions"]] == [True, True]
    client.json("POST", f"/sessions/{session}/preselect", {"rule": "PERCIST"}, status=409)
    accepted = client.json("PATCH", f"/sessions/{session}/lesions/1", {"accepted": True})
    assert [row["accepted"] for row in accepted["lesions"]] == [True, False]
    assert client.json("POST", f"/sessions/{session}/undo")["lesions"] == []


def test_facts_are_kept_and_a_locked_lesion_stays_as_it_is(client: Caller, session: str, study: Study) -> None:
    client.click(session, FIRST)
    facts = {"name": "liver dome", "colour": [1, 2, 3], "hidden": True, "locked": True}
    (row,) = client.json("PATCH", f"/sessions/{session}/lesions/1", facts)["lesions"]
    assert {key: row[key] for key in facts} == facts
    before = client.labels(session, study.grid.shape)
    client.json(
        "POST", f"/sessions/{session}/prompts", {"kind": "click", "label": "background", "voxels": [FIRST]}, 409
    )
    client.json("POST", f"/sessions/{session}/brush", {"mode": "erase", "path": [FIRST], "radius_mm": 9}, 409)
    client.json("POST", f"/sessions/{session}/lesions/1/reject", status=409)
    client.json("POST", f"/sessions/{session}/lesions/1/outline", {"rule": "SUV4"}, 409)
    assert np.array_equal(client.labels(session, study.grid.shape), before)
    client.json("PATCH", f"/sessions/{session}/lesions/1", {"locked": False, "name": None})
    (row,) = client.json("GET", f"/sessions/{session}")["lesions"]
    assert (row["name"], row["locked"], row["hidden"]) == ("Lesion 1", False, True)
    for name in ("a\\b", "a\nb", "x" * 65):
        client.json("PATCH", f"/sessions/{session}/lesions/1", {"name": name}, 422)
    client.json("PATCH", f"/sessions/{session}/lesions/2", {"hidden": True}, 404)


def test_what_makes_no_sense_is_refused_in_a_sentence_and_changes_nothing(client: Caller, session: str) -> None:
    revision = client.click(session, FIRST)["revision"]
    for body in (
        {"kind": "click", "voxels": [[64, 0, 0]]},
        {"kind": "click", "voxels": [[0, 0, 0], [1, 0, 0]]},
        {"kind": "box", "voxels": [[0, 0, 0]]},
        {"kind": "lasso", "voxels": [[0, 0, 0]]},
        {"kind": "click", "voxels": [["0", 0, 0]]},
        {"kind": "click", "voxels": []},
        {"kind": "click", "voxels": [FIRST], "lesion": 0},
        {"kind": "click", "voxels": [FIRST], "colour": "red"},
    ):
        error = client.json("POST", f"/sessions/{session}/prompts", body, 422)["error"]
        assert "\n" not in error
        assert "Traceback" not in error
    assert client.json("GET", f"/sessions/{session}")["revision"] == revision


def test_the_next_proposal_skips_rules_that_find_nothing(client: Caller, session: str) -> None:
    # In the body, far from anything as hot as SUV 2.5.
    client.click(session, (32, 40, 20))
    told = client.json("POST", f"/sessions/{session}/lesions/1/outline", {"rule": "SUV4"}, 409)["error"]
    assert "SUV4 finds nothing" in told
    rules = []
    while "model" not in rules:
        change = client.json("POST", f"/sessions/{session}/lesions/1/outline", {"rule": "next"})
        rules.append(change["lesions"][0]["outline"])
    assert rules[0] == "41%"
    assert not {"SUV4", "SUV2.5"} & set(rules)


def test_hover_shows_the_region_of_uptake_at_a_voxel(client: Caller, session: str, study: Study) -> None:
    x, y, z = FIRST
    region = client.json("GET", f"/sessions/{session}/hover?x={x}&y={y}&z={z}")
    low, size = np.array(region["low"]), np.array(region["size"])
    assert ((low <= FIRST) & (low + size > FIRST)).all()
    ball_ml = float((study.pet[:20] > 4).sum()) * study.grid.voxel_ml
    assert 0.8 * ball_ml <= region["volume_ml"] <= ball_ml * 1.2
    assert region["suv_max"] == 8
    client.json("GET", f"/sessions/{session}/hover?x=999&y=0&z=0", status=422)
    assert client.json("GET", f"/sessions/{session}")["lesions"] == []
