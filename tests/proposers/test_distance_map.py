from __future__ import annotations

import numpy as np
import pytest

from sam_pet.proposers.distance_map import distance_map


def test_it_falls_from_1_on_strokes_to_0_at_the_reach() -> None:
    strokes = np.zeros((9, 9, 9), bool)
    strokes[4, 4, 4] = True
    near = distance_map(strokes, 2.0)
    assert near[4, 4, 4:7].tolist() == pytest.approx([1.0, 0.5, 0.0])


def test_its_reach_is_in_mm_where_there_is_a_spacing() -> None:
    strokes = np.zeros((1, 1, 8), bool)
    strokes[0, 0, 1] = True
    near = distance_map(strokes, 20.0, (3.0, 3.0, 5.0))
    assert near[0, 0].tolist() == pytest.approx([0.75, 1.0, 0.75, 0.5, 0.25, 0.0, 0.0, 0.0])


def test_where_nothing_is_drawn_nothing_is_near() -> None:
    assert not distance_map(np.zeros((2, 2, 2), bool), 2.0).any()
