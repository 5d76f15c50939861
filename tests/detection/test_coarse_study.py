from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_pet.detection.body import find_body
from sam_pet.detection.coarse_study import CELL_MM, COARSER, CoarseStudy
from tests.detection.studies import LIVER, SPOT, body_study


@pytest.fixture(scope="module")
def scene() -> CoarseStudy:
    study = body_study(spot=6.0)
    return CoarseStudy.of(study, find_body(study), "psma")


def test_cells_lie_where_the_voxels_are(scene: CoarseStudy) -> None:
    def at(voxel: tuple[int, int, int]) -> tuple[float, int]:
        z, y, x = np.round((np.array(voxel) * 5.0 - scene.low)[::-1] / CELL_MM).astype(int)
        assert scene.ct is not None
        return float(scene.pet[z, y, x]), int(scene.ct[z, y, x])

    assert at(SPOT) == (6.0, 4)
    assert at(LIVER) == (pytest.approx(2.3, abs=0.01), 6)


def test_coarse_cells_are_means_of_whole_blocks(scene: CoarseStudy) -> None:
    pet, ct = scene.coarse()
    assert ct is not None
    assert pet.shape == ct.shape == tuple(n // COARSER for n in scene.pet.shape)
    z, y, x = (n // 2 for n in pet.shape)
    block = tuple(slice(n * COARSER, (n + 1) * COARSER) for n in (z, y, x))
    assert pet[z, y, x] == pytest.approx(scene.pet[block].astype(float).mean(), rel=1e-3)


@pytest.mark.parametrize("with_ct", [True, False])
def test_a_scene_survives_its_file(with_ct: bool, tmp_path: Path) -> None:
    study = body_study(spot=6.0, with_ct=with_ct)
    scene = CoarseStudy.of(study, find_body(study), "fdg")
    scene.save(tmp_path / "scene.npz")
    read = CoarseStudy.load(tmp_path / "scene.npz")
    assert (read.pet == scene.pet).all()
    assert (read.ct is None) is (not with_ct)
    assert read.ct is None or scene.ct is None or (read.ct == scene.ct).all()
    assert (read.low == scene.low).all()
    assert (read.reference, read.tracer) == (scene.reference, "fdg")
