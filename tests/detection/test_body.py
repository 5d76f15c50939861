from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from sam_pet.detection.body import find_body
from sam_pet.detection.tracer import find_tracer
from sam_pet.geometry import Grid
from sam_pet.settings import DEFAULTS
from sam_pet.study import Study
from sam_pet.uptake.blocks import block_means, block_step
from tests.detection.studies import LIVER, body_study


def test_blocks_are_means_and_the_last_one_is_smaller() -> None:
    volume = np.array([1, 3, 5, 7, 9], np.float32).reshape(1, 1, 5)
    assert block_means(volume, (1, 1, 2)).ravel().tolist() == [2, 6, 9]


def test_blocks_are_never_smaller_than_a_voxel() -> None:
    assert block_step((2.0, 2.0, 9.0), 4.0) == (1, 2, 2)


@pytest.mark.parametrize("with_ct", [True, False])
def test_the_liver_is_found_on_the_right_with_its_uptake(with_ct: bool) -> None:
    body = find_body(body_study(with_ct=with_ct))
    assert body.liver == pytest.approx(2.3, abs=0.1)
    assert np.abs(np.array(body.liver_at) - np.array(LIVER) * 5.0).max() < 15


def test_lungs_are_known_from_ct_alone() -> None:
    body = find_body(body_study())
    # Their centres are at z = 115, half their height is 14 voxels.
    assert body.base == pytest.approx(101 * 5, abs=20)
    assert body.apex == pytest.approx(129 * 5, abs=20)
    without = find_body(body_study(with_ct=False))
    assert without.to_lungs is None
    assert np.isnan(without.apex)


def test_the_midline_is_the_middle_of_the_body() -> None:
    assert find_body(body_study()).middle == pytest.approx(40 * 5, abs=5)


def test_an_empty_study_has_no_body_and_no_liver() -> None:
    empty = find_body(Study(np.zeros((20, 20, 20), np.float32), None, Grid((20, 20, 20), (5.0, 5.0, 5.0))))
    assert not empty.outline.any()
    assert empty.liver is None


def test_a_bright_brain_means_fdg() -> None:
    assert find_tracer(find_body(body_study(brain=9.0)), DEFAULTS.first_answer) == "fdg"


def test_a_dark_brain_and_a_bright_liver_mean_psma() -> None:
    assert find_tracer(find_body(body_study(brain=0.4, liver=6.0)), DEFAULTS.first_answer) == "psma"


def test_a_bright_liver_does_not_outweigh_a_bright_brain() -> None:
    assert find_tracer(find_body(body_study(brain=9.0, liver=4.5)), DEFAULTS.first_answer) == "fdg"


@pytest.mark.parametrize(("second_mm", "tracer"), [(50.0, "psma"), (8.0, "fdg")])
def test_what_lies_in_the_middle_is_no_kidney(second_mm: float, tracer: str) -> None:
    pet = np.zeros((20, 60, 60), np.float32)
    for off in (-50.0, second_mm):
        x = round(30 + off / 4)
        pet[5:15, 25:35, x - 4 : x + 4] = 12.0
    body: Any = SimpleNamespace(pet=pet, spacing=(4.0, 4.0, 4.0), top=np.nan, middle=120.0, liver=None, reference=2.0)
    assert find_tracer(body, DEFAULTS.first_answer) == tracer
