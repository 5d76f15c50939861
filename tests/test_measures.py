"""Measurements against volumes worked out by hand, SimpleITK's label statistics and a real lesion."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk

from sam_pet.geometry import Grid
from sam_pet.measures import diameter_mm, measure_lesions, summarise, suv_peak

RADIUS = (3000 / (4 * math.pi)) ** (1 / 3)


def box(shape: tuple[int, int, int], *parts: tuple[slice, slice, slice]) -> npt.NDArray[np.uint16]:
    labels = np.zeros(shape, np.uint16)
    for number, part in enumerate(parts, start=1):
        labels[part] = number
    return labels


def ball(shape: tuple[int, int, int], spacing: tuple[float, float, float], radius: float) -> npt.NDArray[Any]:
    z, y, x = ((np.arange(n) - n // 2) * step for n, step in zip(shape, reversed(spacing), strict=True))
    return np.asarray(z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius**2)


def test_two_boxes_measure_as_worked_out_by_hand() -> None:
    grid = Grid((12, 10, 8), (2.0, 4.0, 5.0), (100.0, -50.0, 7.0))
    labels = box(grid.shape, np.s_[1:3, 2:4, 1:6], np.s_[6:7, 8:9, 10:12])
    pet = np.ones(grid.shape, np.float32)
    pet[labels == 1] = 4.0
    pet[1, 2, 1] = 24.0
    pet[6, 8, 10:12] = 5.0, 7.0

    table = measure_lesions(labels, pet, grid)

    # 20 voxels and 2 voxels of 0.04 mL; the first has 19 of SUV 4 and one of SUV 24.
    assert table["lesion"].tolist() == [1, 2]
    assert table["voxels"].tolist() == [20, 2]
    assert table["volume_ml"].tolist() == pytest.approx([0.8, 0.08])
    assert table["suv_max"].tolist() == [24.0, 7.0]
    assert table["suv_mean"].tolist() == pytest.approx([5.0, 6.0])
    assert table["tlg"].tolist() == pytest.approx([4.0, 0.48])
    assert table[["centroid_x", "centroid_y", "centroid_z"]].to_numpy() == pytest.approx(
        np.array([[100 + 2 * 3, -50 + 4 * 2.5, 7 + 5 * 1.5], [100 + 2 * 10.5, -50 + 4 * 8, 7 + 5 * 6]])
    )
    # Face centres of the first: 10 x 8 x 10 mm, corner to corner less half a voxel on two axes.
    assert table["diameter_mm"][0] == pytest.approx(
        max(math.dist((0, 0, 0), d) for d in ((10, 4, 5), (8, 8, 5), (8, 4, 10)))
    )
    assert summarise(table) == pytest.approx(
        {
            "lesions": 2,
            "total_mtv_ml": 0.88,
            "total_tlg": 4.48,
            "dmax_mm": math.dist((106, -40, 14.5), (121, -18, 37)),
            "suv_max": 24.0,
        }
    )


def test_means_maxima_and_volumes_agree_with_simpleitk() -> None:
    rng = np.random.default_rng(7)
    direction = (0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0)
    grid = Grid((31, 29, 23), (3.3, 2.1, 4.7), (-3.0, 8.0, 11.0), direction)
    labels = box(grid.shape, np.s_[0:4, 0:9, 3:7], np.s_[9:20, 4:5, 6:30], np.s_[21:23, 20:29, 25:31])
    labels[labels == 2] = 700
    labels[rng.random(grid.shape) < 0.3] = 0
    pet = rng.gamma(2.0, 2.0, grid.shape).astype(np.float32)

    table = measure_lesions(labels, pet, grid).set_index("lesion")

    statistics = sitk.LabelIntensityStatisticsImageFilter()
    statistics.Execute(grid.image(labels), grid.image(pet))
    assert sorted(statistics.GetLabels()) == table.index.tolist() == [1, 3, 700]
    for number in statistics.GetLabels():
        row = table.loc[number]
        assert row["suv_max"] == pytest.approx(statistics.GetMaximum(number))
        assert row["suv_mean"] == pytest.approx(statistics.GetMean(number))
        assert row["volume_ml"] == pytest.approx(statistics.GetPhysicalSize(number) / 1000)
        assert row["voxels"] == statistics.GetNumberOfPixels(number)
        centroid = row[["centroid_x", "centroid_y", "centroid_z"]].tolist()
        assert centroid == pytest.approx(statistics.GetCentroid(number))


def test_peak_of_a_uniform_volume_is_its_value_up_to_the_border() -> None:
    pet = np.full((6, 7, 8), 3.5, np.float32)
    mask = np.zeros(pet.shape, bool)
    mask[0, 0, 0] = mask[5, 6, 7] = True
    assert suv_peak(mask, pet, (4.0, 4.0, 3.0)) == pytest.approx(3.5)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.04, 2.04, 3.0), (4.07, 4.07, 5.0)])
def test_peak_of_one_hot_voxel_is_its_share_of_one_millilitre(spacing: tuple[float, float, float]) -> None:
    pet = np.zeros((21, 21, 21), np.float32)
    pet[10, 10, 10] = 10.0
    expected = 10.0 * math.prod(spacing) / 1000
    assert suv_peak(pet > 0, pet, spacing) == pytest.approx(expected, rel=0.01)


def test_peak_counts_partly_covered_voxels_by_their_part() -> None:
    # Along x the sphere covers |x| <= 6.2035 mm, so of slabs 8 mm thick the cap beyond 4 mm on either side:
    # pi h^2 (3 R - h) / 3 with h = R - 4.
    height = RADIUS - 4
    cap = math.pi * height**2 * (3 * RADIUS - height) / 3 / 1000
    pet = np.zeros((15, 15, 5), np.float32)
    pet[:, :, 3] = 100.0
    mask = np.zeros(pet.shape, bool)
    mask[7, 7, 2] = True
    assert suv_peak(mask, pet, (8.0, 1.0, 1.0)) == pytest.approx(100 * cap, rel=0.02)


def test_peak_is_placed_for_the_highest_mean_and_not_at_the_hottest_voxel() -> None:
    pet = np.ones((20, 20, 40), np.float32)
    pet[10, 10, 8] = 20.0
    pet[ball(pet.shape, (2.0, 2.0, 2.0), 9.0)] = 12.0
    assert suv_peak(pet > 1, pet, (2.0, 2.0, 2.0)) == pytest.approx(12.0)


def test_peak_sphere_reaches_beyond_the_mask() -> None:
    pet = np.full((15, 15, 15), 2.0, np.float32)
    mask = np.zeros(pet.shape, bool)
    mask[7, 7, 7] = True
    pet[mask] = 4.0
    share = 8 / 1000
    assert suv_peak(mask, pet, (2.0, 2.0, 2.0)) == pytest.approx(2 + 2 * share, rel=1e-3)


def test_peak_on_voxels_larger_than_the_sphere_is_the_voxel() -> None:
    pet = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    assert suv_peak(pet == 13, pet, (40.0, 40.0, 40.0)) == pytest.approx(13.0)


def test_diameter_of_a_row_is_its_length_and_of_one_voxel_its_longest_edge() -> None:
    mask = np.zeros((5, 6, 7), bool)
    mask[2, 3, 1] = True
    assert diameter_mm(mask, (2.0, 3.0, 5.0)) == pytest.approx(5.0)
    mask[2, 3, 1:6] = True
    assert diameter_mm(mask, (2.0, 3.0, 5.0)) == pytest.approx(10.0)


def test_diameter_of_a_ball_is_its_diameter() -> None:
    spacing = (2.0, 2.0, 3.0)
    assert diameter_mm(ball((41, 61, 61), spacing, 40.0), spacing) == pytest.approx(80.0, abs=3.0)


def test_diameter_is_that_of_all_pairs_of_face_centres() -> None:
    rng = np.random.default_rng(3)
    mask = rng.random((9, 8, 7)) < 0.2
    spacing = (2.5, 1.5, 4.0)
    voxels = np.argwhere(mask).astype(float)
    faces = np.concatenate([voxels + sign * 0.5 * np.eye(3)[axis] for axis in range(3) for sign in (-1, 1)])
    faces *= spacing[::-1]
    expected = np.sqrt(((faces[:, None] - faces[None]) ** 2).sum(axis=-1)).max()
    assert diameter_mm(mask, spacing) == pytest.approx(expected)


def test_dmax_is_between_the_two_lesions_farthest_apart() -> None:
    grid = Grid((50, 50, 50), (2.0, 2.0, 2.0))
    labels = box(grid.shape, np.s_[0:1, 0:1, 0:1], np.s_[49:, 49:, 49:], np.s_[20:23, 20:23, 20:23])
    table = measure_lesions(labels, np.ones(grid.shape, np.float32), grid)
    assert summarise(table)["dmax_mm"] == pytest.approx(98 * math.sqrt(3))


def test_one_lesion_has_no_dmax_and_none_has_no_maximum() -> None:
    grid = Grid((5, 5, 5))
    pet = np.ones(grid.shape, np.float32)
    one = summarise(measure_lesions(box(grid.shape, np.s_[1:2, 1:2, 1:2]), pet, grid))
    assert one["dmax_mm"] is None
    assert one["lesions"] == 1
    empty = measure_lesions(np.zeros(grid.shape, np.uint16), pet, grid)
    assert list(empty.columns) == list(measure_lesions(box(grid.shape, np.s_[:1]), pet, grid).columns)
    assert summarise(empty) == {
        "lesions": 0,
        "total_mtv_ml": 0.0,
        "total_tlg": 0.0,
        "dmax_mm": None,
        "suv_max": None,
    }


def test_arrays_off_the_grid_are_refused() -> None:
    grid = Grid((5, 6, 7))
    with pytest.raises(ValueError, match="labels of shape"):
        measure_lesions(np.zeros((5, 6, 7), np.uint16), np.zeros(grid.shape, np.float32), grid)


def test_a_flat_lesion_with_many_voxels_has_a_diameter() -> None:
    mask = np.zeros((1, 60, 60), bool)
    mask[0] = True
    # Between the faces on opposite sides of the plane, shifted to the corners of a row.
    assert diameter_mm(mask, (1.0, 1.0, 1.0)) == pytest.approx(math.hypot(60, 59))


def test_the_real_sarcoma_measures_as_itk_has_it(data: Path) -> None:
    folder = data / "wholebody" / "STS_001"
    mask, pet = sitk.ReadImage(folder / "SEG.nii.gz"), sitk.ReadImage(folder / "SUV.nii.gz")
    labels = sitk.GetArrayFromImage(mask).astype(np.uint16)
    suv = sitk.GetArrayFromImage(pet).astype(np.float32)
    table = measure_lesions(labels, suv, Grid.of(pet))

    statistics = sitk.LabelIntensityStatisticsImageFilter()
    statistics.Execute(sitk.Cast(mask, sitk.sitkUInt16), pet)
    row = table.iloc[0]
    assert row["volume_ml"] == pytest.approx(statistics.GetPhysicalSize(1) / 1000)
    assert row["suv_mean"] == pytest.approx(statistics.GetMean(1), rel=1e-5)
    assert row["suv_max"] == pytest.approx(statistics.GetMaximum(1))
    assert row["suv_mean"] < row["suv_peak"] < row["suv_max"]
    # ITK takes the Feret diameter between voxel centres of the border.
    shape = sitk.LabelShapeStatisticsImageFilter()
    shape.ComputeFeretDiameterOn()
    shape.Execute(sitk.Cast(mask, sitk.sitkUInt16))
    feret = shape.GetFeretDiameter(1)
    assert feret < row["diameter_mm"] < feret + max(mask.GetSpacing())
