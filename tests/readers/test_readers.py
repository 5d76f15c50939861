from __future__ import annotations

import json

import numpy as np
import pytest

from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.prompt_files import record
from sam_pet.prompts import Box, Click, box, click, scribble
from sam_pet.readers import READERS, Effort, Stroke, effort, make_reader
from sam_pet.study import Study
from tests.readers.masks import block, mask

SIZE = (24, 24, 9)


def study(*hot, spacing=(1.0, 1.0, 1.0)):
    pet = np.ones(SIZE[::-1], np.float32)
    for uptake, (x, y, z) in enumerate(hot, start=2):
        pet[z, y, x] = uptake
    return Study(pet=pet, ct=None, grid=Grid(SIZE, spacing))


def cube(low, high):
    return [(x, y, z) for x in range(low, high) for y in range(low, high) for z in range(low, high)]


NO_STUDY_NEEDED = [name for name in READERS if name not in ("click-hottest", "replay:FILE")]


@pytest.mark.parametrize("name", NO_STUDY_NEEDED)
def test_every_reader_is_silent_on_a_perfect_prediction(name):
    truth = mask((3, 3, 1))
    assert make_reader(name, "case").correct(truth, truth, None, 1) is None


@pytest.mark.parametrize("name", NO_STUDY_NEEDED)
def test_every_reader_opens_inside_the_truth_or_round_it(name):
    truth = mask(*cube(2, 7), size=SIZE)
    first = make_reader(name, "case").first(truth, None)
    assert first is not None
    assert first.label == "tumor"
    assert all(truth[z, y, x] for x, y, z in first.voxels)


@pytest.mark.parametrize("name", NO_STUDY_NEEDED)
def test_no_reader_opens_a_case_without_lesions(name):
    assert make_reader(name, "case").first(mask(), None) is None


@pytest.mark.parametrize("name", NO_STUDY_NEEDED)
def test_the_same_call_gives_the_same_stroke(name):
    prediction, truth = mask(*cube(1, 6), size=SIZE), mask(*cube(3, 8), size=SIZE)
    strokes = [make_reader(name, "case", seed=7).correct(prediction, truth, None, 2) for _ in range(2)]
    assert strokes[0] is not None
    assert strokes[1] is not None
    assert strokes[0].voxels.tolist() == strokes[1].voxels.tolist()


def test_an_unknown_reader_names_the_known_ones():
    with pytest.raises(InputError, match=r"'psychic'.*scribble-centerline.*click-hottest.*box.*replay:FILE"):
        make_reader("psychic", "case")


class TestClicks:
    def test_the_middle_of_the_largest_error_is_clicked(self):
        wrong = [*cube(2, 7), (20, 20, 1)]
        stroke = make_reader("click-center", "case").correct(mask(size=SIZE), mask(*wrong, size=SIZE), None, 1)
        assert stroke is not None
        assert (stroke.label, stroke.kind, stroke.voxels.tolist()) == ("tumor", "click", [[4, 4, 4]])

    def test_what_is_too_much_is_clicked_away_when_it_is_larger(self):
        reader = make_reader("click-center", "case")
        stroke = reader.correct(mask(*cube(2, 5), size=SIZE), mask((20, 20, 1), size=SIZE), None, 1)
        assert stroke is not None
        assert (stroke.label, stroke.voxels.tolist()) == ("background", [[3, 3, 3]])

    def test_equal_errors_are_clicked_as_missing(self):
        stroke = make_reader("click-center", "case").correct(mask((1, 1, 1)), mask((9, 9, 1)), None, 1)
        assert stroke is not None
        assert stroke.label == "tumor"

    def test_a_lesion_at_the_edge_of_the_volume_ends_there(self):
        # Without an end at x = 0 the deepest voxel would be (0, 2, 2).
        lesion = [(x, y, z) for x in range(5) for y in range(5) for z in range(5)]
        stroke = make_reader("click-center", "case").first(mask(*lesion, size=SIZE), None)
        assert stroke is not None
        assert stroke.voxels.tolist() == [[2, 2, 2]]

    def test_depth_is_measured_in_mm(self):
        # 3 x 7 x 3 voxels: counted in voxels all of y = 3..7 are as deep and the first is taken; with x and z of
        # 10 mm only the ends in y are near, and the middle is deepest.
        plate = [(x, y, z) for x in range(2, 5) for y in range(2, 9) for z in range(2, 5)]
        first = make_reader("click-center", "case").first(mask(*plate, size=SIZE), study(spacing=(10.0, 1.0, 10.0)))
        assert first is not None
        assert first.voxels[0, 1] == 5

    def test_the_hottest_voxel_of_the_error_is_clicked_and_not_a_hotter_one_outside(self):
        truth = mask(*cube(2, 5), size=SIZE)
        stroke = make_reader("click-hottest", "case").correct(mask(size=SIZE), truth, study((2, 4, 3), (9, 9, 8)), 1)
        assert stroke is not None
        assert stroke.voxels.tolist() == [[2, 4, 3]]

    def test_the_hottest_voxel_needs_the_study(self):
        with pytest.raises(InputError, match="give it the study"):
            make_reader("click-hottest", "case").correct(mask(), mask((1, 1, 1)), None, 1)

    def test_random_clicks_differ_from_step_to_step_and_stay_on_the_error(self):
        truth = mask(*cube(1, 8), size=SIZE)
        reader = make_reader("click-random", "case")
        strokes = [reader.correct(mask(size=SIZE), truth, None, step) for step in range(1, 6)]
        voxels = {tuple(stroke.voxels[0].tolist()) for stroke in strokes if stroke is not None}
        assert len(voxels) > 1
        assert all(truth[z, y, x] for x, y, z in voxels)


class TestBox:
    def test_it_opens_round_the_largest_cross_section(self):
        lesion = block(range(3, 6), [4, 5], z=0) + block(range(2, 9), range(4, 7), z=1)
        first = make_reader("box", "case").first(mask(*lesion), None)
        assert first is not None
        assert (first.kind, first.voxels.tolist()) == ("box", [[2, 4, 1], [8, 6, 1]])

    def test_the_whole_lesion_is_boxed_where_a_part_is_missing(self):
        lesion = block(range(2, 9), range(4, 7))
        other = block([20], [20])
        prediction = mask(*block(range(2, 5), range(4, 7)), *other)
        stroke = make_reader("box", "case").correct(prediction, mask(*lesion, *other), None, 1)
        assert stroke is not None
        assert (stroke.label, stroke.voxels.tolist()) == ("tumor", [[2, 4, 1], [8, 6, 1]])

    def test_what_is_too_much_is_clicked_away(self):
        truth, prediction = mask((20, 20, 1)), mask((20, 20, 1), *block(range(2, 5), range(4, 7)))
        stroke = make_reader("box", "case").correct(prediction, truth, None, 1)
        assert stroke is not None
        assert (stroke.label, stroke.kind, stroke.voxels.tolist()) == ("background", "click", [[3, 5, 1]])


class TestReplay:
    def test_recorded_prompts_come_in_their_order_whatever_the_prediction(self, tmp_path):
        recorded = [scribble([(3, 3, 1), (4, 3, 1)], "background"), click((5, 5, 1)), box((1, 1, 1), (4, 4, 1))]
        path = tmp_path / "prompts.json"
        path.write_text(json.dumps(record(recorded)))
        reader = make_reader(f"replay:{path}", "case")
        empty = mask(size=SIZE)
        given = [reader.correct(empty, empty, study(), step) for step in (1, 2, 3)]
        assert [stroke.prompt for stroke in given if stroke is not None] == recorded
        assert reader.correct(empty, empty, study(), 4) is None

    def test_a_missing_file_is_told_at_once(self, tmp_path):
        with pytest.raises(InputError, match=r"no such file: .*gone\.json"):
            make_reader(f"replay:{tmp_path / 'gone.json'}", "case")


class TestStroke:
    def test_it_turns_into_the_prompt_a_session_takes(self):
        assert Stroke("background", np.array([[1, 2, 3]]), "click").prompt == Click((1, 2, 3), "background")
        assert Stroke("tumor", np.array([[1, 2, 3], [4, 5, 3]]), "box").prompt == Box((1, 2, 3), (4, 5, 3))

    @pytest.mark.parametrize("voxels", [np.empty((0, 3), int), np.zeros(3, int), np.zeros((2, 2), int)])
    def test_it_has_voxels_of_three_coordinates(self, voxels):
        with pytest.raises(ValueError, match=r"shape \(n, 3\)"):
            Stroke("tumor", voxels)


def test_effort_counts_interactions_voxels_and_degrees_of_freedom():
    strokes = [
        Stroke("tumor", np.array([[1, 1, 1]]), "click"),
        Stroke("tumor", np.array([[1, 1, 1], [4, 4, 1]]), "box"),
        Stroke("background", np.array([[5, y, 1] for y in range(7)])),
    ]
    # One voxel, none and seven; one point, two corners and two ends.
    assert effort(strokes) == Effort(interactions=3, voxels=8, degrees_of_freedom=5)
    assert effort([]) == Effort()
