from __future__ import annotations

import numpy as np
import pytest

from sam_pet.boxes import MaskBox
from sam_pet.proposers.isotropic_grid import IsotropicGrid
from sam_pet.sam2.clips import Clip


def cells(side: int = 20, width: float = 80.0, between: float = 4.0) -> IsotropicGrid:
    return IsotropicGrid(Clip((20.0, 18.0), width, 128, (4.0, 4.0), 3, 12), side, between)


def test_cells_are_cubes_that_fill_the_clip() -> None:
    found = cells()
    assert found.mm == pytest.approx(4.0)
    assert found.shape == (10, 20, 20)


def test_cells_of_the_size_of_voxels_sample_the_voxels() -> None:
    volume = np.random.default_rng(0).random((20, 40, 44)).astype(np.float32)
    clip = Clip((20.5, 18.5), 80.0, 128, (4.0, 4.0), 3, 12)
    sampled = IsotropicGrid(clip, 20, 4.0).sample(volume, 0.0)
    np.testing.assert_allclose(sampled, volume[3:13, 9:29, 11:31], atol=1e-5)


def test_a_smooth_volume_survives_the_way_there_and_back() -> None:
    z, y, x = np.mgrid[:20, :40, :44].astype(np.float32)
    volume = np.sin(x / 9) + np.cos(y / 7) + z / 10
    found = cells(side=26)
    corner, back = found.restore(found.sample(volume, 0.0), volume.shape[1:])
    x0, y0, z0 = corner
    part = volume[z0 : z0 + back.shape[0], y0 : y0 + back.shape[1], x0 : x0 + back.shape[2]]
    inner = (slice(1, -1),) * 3
    assert np.abs(back - part)[inner].max() < 0.05
    assert (z0, back.shape[0]) == (3, 10)


def test_a_voxel_lies_in_the_cell_that_samples_it() -> None:
    found = cells(side=31)
    volume = np.zeros((20, 40, 44), np.float32)
    voxel = np.array([[23, 15, 7]])
    volume[7, 15, 23] = 1.0
    place = found.places(voxel)
    assert len(place) == 1
    sampled = found.sample(volume, 0.0)
    assert sampled[tuple(place[0])] >= 0.5 * sampled.max() > 0


def test_a_mask_in_a_box_fills_the_cells_that_it_fills_in_the_whole_volume() -> None:
    rng = np.random.default_rng(0)
    for corner, shape in (((14, 12, 5), (4, 9, 11)), ((2, 0, 0), (20, 30, 42)), ((30, 30, 14), (3, 5, 5))):
        block = MaskBox(corner, rng.random(shape) < 0.5)
        volume = np.zeros((20, 40, 44), np.float32)
        volume[block.slices] = block.values
        for side in (9, 20, 31):
            np.testing.assert_allclose(cells(side).filled(block), cells(side).sample(volume, 0.0), atol=1e-6)


def test_voxels_beyond_the_clip_have_no_cell() -> None:
    outside = np.array([[20, 18, 2], [20, 18, 13], [0, 18, 7], [20, 39, 7]])
    assert len(cells().places(outside)) == 0
