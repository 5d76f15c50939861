"""The desk: pictures whose points are voxels, changes that can be taken back, and arguments that are refused."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from PIL import Image

from sam_pet.agent.desk import Desk
from sam_pet.agent.looks import MOST_BYTES, small_png
from sam_pet.agent.tools import MOST_TURNS, TOOLS, call
from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.study import Study
from tests.fakes import random_segmenter, two_lesion_study

FIRST, SECOND = (20, 24, 10), (44, 24, 30)


@pytest.fixture
def desk():
    return Desk(random_segmenter().open(two_lesion_study()))


def turned() -> Study:
    """The two lesions stored with other axes: z runs down, x to the right, and the first axis is the patient's y."""
    study = two_lesion_study()
    pet, ct = (np.ascontiguousarray(a.transpose(2, 0, 1)[::-1]) for a in (study.pet, study.ct))
    return Study(pet, ct, Grid((48, 40, 64), (5.0, 4.0, 5.0), (0.0,) * 3, (0, 0, -1.0, 1.0, 0, 0, 0, 1.0, 0)))


@pytest.mark.parametrize("study", [two_lesion_study(), turned()], ids=["axial", "turned"])
@pytest.mark.parametrize("plane", ["axial", "coronal", "sagittal"])
def test_a_point_of_a_slice_is_the_voxel_that_is_shown_there(study, plane):
    desk = Desk(random_segmenter().open(study))
    hot = np.argwhere(study.pet > 7)[3][::-1].tolist()
    call(desk, "look_slice", {"plane": plane, "voxel": hot, "width_mm": 120.0})
    point = desk.sight.last.point(study.order.voxels([hot])[0].tolist())
    assert desk.sight.voxel(point) == tuple(hot)
    rgb = np.asarray(Image.open(io.BytesIO(desk.sight.last.png)).convert("RGB")).astype(int)
    u, v = (int((n + 0.5) * size / 1000) for n, size in zip(point, rgb.shape[1::-1], strict=True))
    # Uptake is hot in colour, soft tissue is grey.
    assert rgb[v, u].max() - rgb[v, u].min() > 60


def test_a_point_of_a_projection_is_the_hottest_voxel_behind_it(desk):
    call(desk, "look_mip", {})
    x, y = desk.sight.last.point(FIRST)
    assert desk.study.pet[desk.sight.voxel((x, y))[::-1]] == 8.0


def test_panels_side_by_side_are_told_apart(desk):
    call(desk, "add_point", {"voxel": list(FIRST)})
    said = call(desk, "look_lesion", {"lesion": 1})
    look = desk.sight.last
    middle = desk.study.order.voxels([said.voxel])[0].tolist()
    for number, panel in enumerate(look.panels):
        assert desk.sight.voxel(look.point(middle, number)) == said.voxel
        assert look.place(look.point(middle, number), desk.study)[3] is panel
    with pytest.raises(InputError, match="between the panels"):
        desk.sight.voxel((int((look.panels[1].left - 3) * 1000 / look.width), 500))


def test_a_line_in_a_picture_has_no_gaps(desk):
    call(desk, "look_slice", {"voxel": list(FIRST)})
    start, end = (desk.sight.last.point((x, 24, 10)) for x in (15, 25))
    call(desk, "add_scribble", {"picture": [list(start), list(end)]})
    assert desk.session.prompts[0].voxels.tolist() == [[x, 24, 10] for x in range(15, 26)]


def test_a_box_in_a_picture_has_the_corners_drawn(desk):
    call(desk, "look_slice", {"voxel": list(FIRST)})
    points = [list(desk.sight.last.point(corner)) for corner in ((16, 20, 10), (24, 28, 10))]
    call(desk, "add_box", {"picture": points})
    assert desk.session.prompts[0].voxels.tolist() == [[16, 20, 10], [24, 28, 10]]


def test_contours_show_in_the_picture_and_can_be_left_out(desk):
    call(desk, "add_point", {"voxel": list(FIRST)})
    shown = {}
    for contours in (True, False):
        call(desk, "look_slice", {"voxel": list(FIRST), "contours": contours})
        shown[contours] = desk.sight.last.png
    assert shown[True] != shown[False]


def test_a_picture_that_does_not_compress_is_made_small():
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 3), np.uint8)
    assert len(small_png(noise)) < MOST_BYTES


def test_undo_counts_as_a_turn_and_going_back_does_not(desk):
    call(desk, "add_point", {"voxel": list(FIRST)})
    one = desk.session.array
    mark = desk.mark()
    call(desk, "add_point", {"voxel": list(SECOND)})
    desk.go_back(mark)
    assert desk.turns == 1
    np.testing.assert_array_equal(desk.session.array, one)
    mark = desk.mark()
    call(desk, "undo", {})
    assert not desk.session.array.any()
    assert desk.turns == 2
    desk.go_back(mark)
    np.testing.assert_array_equal(desk.session.array, one)
    # What was taken back twice is not in the way of an undo.
    call(desk, "undo", {})
    assert not desk.session.array.any()


def test_what_a_change_did_is_told(desk):
    said = call(desk, "add_point", {"voxel": list(FIRST)})
    mask = desk.session.array
    assert said.added_ml == pytest.approx(mask.sum() * desk.study.grid.voxel_ml, rel=1e-3)
    assert said.changed == [1]
    gone = call(desk, "reject", {"lesion": 1})
    assert (gone.removed_ml, gone.lesions, gone.turn) == (said.added_ml, 0, 2)
    call(desk, "compare", {"voxel": list(FIRST)})
    assert len(desk.sight.last.panels) == 2


def test_a_stopped_reading_is_not_changed(desk):
    call(desk, "stop", {"reason": "done"})
    with pytest.raises(InputError, match="was stopped"):
        call(desk, "add_point", {"voxel": list(FIRST)})
    call(desk, "look_mip", {})


def test_turns_end(desk):
    desk.turns = MOST_TURNS
    with pytest.raises(InputError, match="500 turns"):
        call(desk, "add_point", {"voxel": list(FIRST)})


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        ("add_point", {"voxel": [10**9, 0, 0]}, "less than or equal to 1000000"),
        ("add_point", {"voxel": [900000, 0, 0]}, "outside the PET grid"),
        ("add_point", {"voxel": [-1, 0, 0]}, "greater than or equal to 0"),
        ("add_point", {"voxel": ["20", "24", "10"]}, "valid integer"),
        ("add_point", {"voxel": "20, 24, 10"}, "valid array"),
        ("add_point", {"voxel": [20.5, 24, 10]}, "valid integer"),
        ("add_point", {"voxel": [20, 24]}, "at least 3"),
        ("add_point", {}, "give one of voxel, picture"),
        ("add_point", {"voxel": [20, 24, 10], "picture": [1, 1]}, "voxel and picture was given"),
        ("add_point", {"picture": [500, 500]}, "nothing has been looked at"),
        ("add_point", {"picture": [1000, 0]}, "less than or equal to 999"),
        ("add_point", {"voxel": [20, 24, 10], "label": "tumour"}, "'tumor' or 'background'"),
        ("add_point", {"voxel": [20, 24, 10], "shell": "ls"}, "not permitted"),
        ("add_scribble", {"voxels": [[1, 1, 1]] * 5001}, "at most 5000"),
        ("look_slice", {"mm": [1e308, 0, 0]}, "less than or equal"),
        ("look_slice", {"mm": [1e5, 0, 0]}, "outside the PET grid"),
        ("look_slice", {"suv_max": "10"}, "valid number"),
        ("look_slice", {"suv_max": float("nan")}, "suv_max"),
        ("look_lesion", {"lesion": 3}, "no lesion 3"),
        ("reject", {"lesion": 3}, "no lesion 3"),
        ("reject", {"lesion": True}, "valid integer"),
        ("measure", {"lesion": 2}, "no lesion 2"),
        ("undo", {}, "nothing has been drawn"),
        ("compare", {}, "nothing has been changed"),
        ("stop", {"reason": "x" * 501}, "at most 500"),
        ("run_python", {"code": "1"}, "no tool 'run_python'"),
    ],
)
def test_bad_calls_are_refused_in_one_line_and_change_nothing(desk, tool, arguments, message):
    with pytest.raises(InputError, match=message) as caught:
        call(desk, tool, arguments)
    assert "\n" not in str(caught.value)
    assert not desk.session.prompts
    assert desk.turns == 0


def test_schemas_are_plain_and_say_what_is_needed():
    for tool in TOOLS.values():
        schema = tool.arguments.model_json_schema()
        assert schema["additionalProperties"] is False
        assert "prefixItems" not in json.dumps(schema)
    assert TOOLS["reject"].arguments.model_json_schema()["required"] == ["lesion"]
