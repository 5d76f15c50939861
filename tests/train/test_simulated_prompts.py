from __future__ import annotations

import numpy as np
import pytest

from sam_pet.boxes import MaskBox
from sam_pet.train.simulated_prompts import stroke_on


@pytest.mark.parametrize("seed", range(6))
def test_a_reader_draws_background_on_what_is_no_lesion_at_all(seed: int) -> None:
    shown = MaskBox((4, 5, 6), np.ones((5, 7, 7), bool))
    stroke = stroke_on(shown, np.zeros((20, 30, 30), bool), np.random.default_rng(seed))
    assert stroke is not None
    assert stroke.label == "background"
    assert shown.touches(stroke.voxels) == len(stroke.voxels)


def test_nothing_is_drawn_where_nothing_is_shown_and_nothing_is_lesion() -> None:
    shown = MaskBox((0, 0, 0), np.zeros((2, 2, 2), bool))
    assert stroke_on(shown, np.zeros((20, 30, 30), bool), np.random.default_rng(0)) is None
