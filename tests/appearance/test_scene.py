from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sam_pet.appearance.scene import CELL_MM, CHANNELS, SIDE, Scene
from sam_pet.first_answer.body import find_body
from tests.first_answer.studies import LIVER, SPOT, body_study

PLACE = np.array(SPOT) * 5.0
MIDDLE = (SIDE // 2,) * 3


@pytest.fixture(scope="module")
def scene() -> Scene:
    study = body_study(spot=6.0)
    return Scene.of(study, find_body(study), "psma")


def test_cells_lie_where_the_voxels_are(scene: Scene) -> None:
    def at(voxel: tuple[int, int, int]) -> tuple[float, int]:
        z, y, x = np.round((np.array(voxel) * 5.0 - scene.low)[::-1] / CELL_MM).astype(int)
        assert scene.ct is not None
        return float(scene.pet[z, y, x]), int(scene.ct[z, y, x])

    assert at(SPOT) == (6.0, 4)
    assert at(LIVER) == (pytest.approx(2.3, abs=0.01), 6)


def test_both_windows_show_the_place_in_their_middle(scene: Scene) -> None:
    near, far = scene.windows(PLACE, 6.0)
    assert near.shape == far.shape == (CHANNELS, SIDE, SIDE, SIDE)
    uptake, ratio, soft, _ = near
    assert uptake[MIDDLE] == uptake.max()
    assert ratio[MIDDLE] == pytest.approx(0.5)
    assert soft[MIDDLE] == 0.0
    assert np.unravel_index(far[0].argmax(), far[0].shape)[2] in (SIDE // 2 - 1, SIDE // 2)
    assert (far[3] == 1).all()
    assert (replace(scene, tracer="fdg").windows(PLACE, 6.0)[1][3] == -1).all()


def test_beyond_the_body_there_is_air(scene: Scene) -> None:
    near, far = scene.windows(scene.low - 500.0, 6.0)
    assert (near[2:] == -1).all()
    assert (far[1:3] == -1).all()
    assert (near[1] == -0.5).all()


def test_without_a_ct_its_channels_say_nothing(tmp_path: Path) -> None:
    study = body_study(spot=6.0, with_ct=False)
    scene = Scene.of(study, find_body(study), "fdg")
    near, far = scene.windows(PLACE, 6.0)
    assert not near[2:].any()
    assert not far[1:3].any()
    scene.save(tmp_path / "scene.npz")
    assert Scene.load(tmp_path / "scene.npz").ct is None


def test_gain_changes_uptake_but_not_its_ratio_to_the_peak(scene: Scene) -> None:
    plain, louder = scene.windows(PLACE, 6.0)[0], scene.windows(PLACE, 6.0, gain=2.0)[0]
    assert louder[0].mean() > plain[0].mean()
    assert louder[1] == pytest.approx(plain[1], abs=1e-5)
    noisy = scene.windows(PLACE, 6.0, grain=np.full((SIDE,) * 3, 0.1, np.float32))[0]
    assert noisy[1][MIDDLE] == pytest.approx((6.0 + 0.1 * 6.0**0.5) / 6.0 - 0.5, abs=1e-4)


def test_a_scene_survives_its_file(scene: Scene, tmp_path: Path) -> None:
    scene.save(tmp_path / "scene.npz")
    read = Scene.load(tmp_path / "scene.npz")
    for one, other in zip(scene.windows(PLACE, 6.0), read.windows(PLACE, 6.0), strict=True):
        assert (one == other).all()
