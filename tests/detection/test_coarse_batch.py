from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from sam_pet.detection.body import find_body
from sam_pet.detection.coarse_batch import CHANNELS, SIDE, CoarseBatch
from sam_pet.detection.coarse_study import CoarseStudy
from tests.detection.studies import SPOT, body_study

PLACE = np.array(SPOT) * 5.0
MIDDLE = (SIDE // 2,) * 3


@pytest.fixture(scope="module")
def scene() -> CoarseStudy:
    study = body_study(spot=6.0)
    return CoarseStudy.of(study, find_body(study), "psma")


def windows(
    scene: CoarseStudy, place: np.ndarray = PLACE, gain: float | None = None, grain: float | None = None
) -> tuple[Tensor, Tensor]:
    near, far = CoarseBatch.of([scene]).windows(
        torch.tensor([0]),
        torch.from_numpy(place[None]),
        torch.tensor([6.0]),
        None if gain is None else torch.tensor([gain]),
        None if grain is None else torch.full((1, SIDE, SIDE, SIDE), grain),
    )
    return near[0], far[0]


def test_both_windows_show_the_place_in_their_middle(scene: CoarseStudy) -> None:
    near, far = windows(scene)
    assert near.shape == far.shape == (CHANNELS, SIDE, SIDE, SIDE)
    uptake, ratio, soft, _ = near
    assert uptake[MIDDLE] == uptake.max()
    assert ratio[MIDDLE] == pytest.approx(0.5)
    assert soft[MIDDLE] == 0.0
    assert np.unravel_index(int(far[0].argmax()), far[0].shape)[2] in (SIDE // 2 - 1, SIDE // 2)
    assert (far[3] == 1).all()
    assert (windows(replace(scene, tracer="fdg"))[1][3] == -1).all()


def test_beyond_the_body_there_is_air(scene: CoarseStudy) -> None:
    near, far = windows(scene, scene.low - 500.0)
    assert (near[2:] == -1).all()
    assert (far[1:3] == -1).all()
    assert (near[1] == -0.5).all()


def test_without_a_ct_its_channels_say_nothing() -> None:
    study = body_study(spot=6.0, with_ct=False)
    near, far = windows(CoarseStudy.of(study, find_body(study), "fdg"))
    assert not near[2:].any()
    assert not far[1:3].any()


def test_gain_changes_uptake_but_not_its_ratio_to_the_peak(scene: CoarseStudy) -> None:
    plain, louder = windows(scene)[0], windows(scene, gain=2.0)[0]
    assert louder[0].mean() > plain[0].mean()
    assert torch.allclose(louder[1], plain[1], atol=1e-5)
    noisy = windows(scene, grain=0.1)[0]
    assert noisy[1][MIDDLE] == pytest.approx((6.0 + 0.1 * 6.0**0.5) / 6.0 - 0.5, abs=1e-4)


def test_each_place_is_seen_in_its_own_scene(scene: CoarseStudy) -> None:
    study = body_study(spot=9.0, with_ct=False)
    scenes = [
        scene,
        CoarseStudy.of(study, find_body(study), "fdg"),
        replace(scene, pet=scene.pet[5:], low=scene.low + 3),
    ]
    numbers = torch.tensor([2, 0, 1, 0])
    places = torch.from_numpy(np.stack([PLACE, PLACE, PLACE + 12.0, PLACE - 90.0]))
    suv = torch.tensor([6.0, 6.0, 9.0, 2.0])
    together = CoarseBatch.of(iter(scenes)).windows(numbers, places, suv)
    for row, number in enumerate(numbers.tolist()):
        alone = CoarseBatch.of([scenes[number]]).windows(torch.tensor([0]), places[row : row + 1], suv[row : row + 1])
        for one, other in zip(together, alone, strict=True):
            assert torch.equal(one[row], other[0])
