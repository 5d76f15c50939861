from __future__ import annotations

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from sam_pet.geometry import AxialOrder, Grid

# All 48 ways to store three axes: each order, each axis running either way.
ORIENTATIONS = [
    np.eye(3)[list(order)] * np.array(signs)
    for order in itertools.permutations(range(3))
    for signs in itertools.product((1, -1), repeat=3)
]
millimetres = st.floats(0.3, 9.7)
sizes = st.tuples(*[st.integers(1, 7)] * 3)


@st.composite
def grids(draw, tilt_degrees=8.0):
    """Grids of any orientation, tilted a little."""
    tilt = Rotation.from_euler("xyz", [draw(st.floats(-tilt_degrees, tilt_degrees)) for _ in range(3)], degrees=True)
    return Grid(
        draw(sizes),
        (draw(millimetres), draw(millimetres), draw(millimetres)),
        tuple(draw(st.floats(-900, 900)) for _ in range(3)),
        tuple((tilt.as_matrix() @ draw(st.sampled_from(ORIENTATIONS))).ravel().tolist()),
    )


def numbered(grid: Grid) -> np.ndarray:
    return np.arange(np.prod(grid.size), dtype=np.int32).reshape(grid.shape)


def all_voxels(size) -> np.ndarray:
    return np.array(list(np.ndindex(*size)))


class TestGrid:
    def test_shape_is_the_size_backwards(self):
        assert Grid((5, 4, 3)).shape == (3, 4, 5)

    def test_voxel_ml_is_the_spacing_multiplied(self):
        assert Grid((1, 1, 1), (2.0, 2.0, 5.0)).voxel_ml == pytest.approx(0.02)

    def test_to_world_scales_then_turns_then_shifts(self):
        # The stored x axis runs to world +y, the stored y axis to world -x.
        grid = Grid((9, 9, 9), (2.0, 3.0, 4.0), (10.0, 20.0, 30.0), (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))
        assert grid.to_world([1, 2, 3]).tolist() == [10 - 6, 20 + 2, 30 + 12]

    @given(grids())
    def test_to_world_agrees_with_itk(self, grid):
        image = grid.image(numbered(grid))
        for voxel in all_voxels(grid.size)[:: max(1, int(np.prod(grid.size)) // 5)]:
            expected = image.TransformIndexToPhysicalPoint(voxel.tolist())
            assert grid.to_world(voxel) == pytest.approx(expected, abs=1e-6)

    @given(grids(), st.lists(st.tuples(*[st.floats(-500, 500)] * 3), min_size=1, max_size=5))
    def test_to_voxel_undoes_to_world(self, grid, voxels):
        assert grid.to_voxel(grid.to_world(voxels)) == pytest.approx(np.array(voxels), abs=1e-6)

    @given(grids())
    def test_an_image_has_the_grid_it_was_made_on(self, grid):
        image = grid.image(numbered(grid))
        assert Grid.of(image).same_as(grid, tolerance=1e-6)
        assert np.array_equal(sitk.GetArrayFromImage(image), numbered(grid))

    def test_an_array_of_another_shape_is_refused(self):
        with pytest.raises(ValueError, match=r"\(5, 4, 3\) is not on a grid of shape \(3, 4, 5\)"):
            Grid((5, 4, 3)).image(np.zeros((5, 4, 3)))

    def test_contains_counts_from_zero(self):
        voxels = [[0, 0, 0], [4, 3, 2], [5, 0, 0], [0, 4, 0], [0, 0, 3], [-1, 0, 0]]
        assert Grid((5, 4, 3)).contains(voxels).tolist() == [True, True, False, False, False, False]

    def test_same_as_allows_what_float32_headers_lose(self):
        origin = (-407.1234567, -312.7654321, 1233.3333333)
        stored = tuple(float(np.float32(v)) for v in origin)
        assert Grid((400, 400, 326), (2.04, 2.04, 3.0), origin).same_as(
            Grid((400, 400, 326), (2.04, 2.04, 3.0), stored)
        )

    @pytest.mark.parametrize(
        "other",
        [
            Grid((10, 10, 11)),
            Grid((10, 10, 10), origin=(0.01, 0.0, 0.0)),
            Grid((10, 10, 10), spacing=(1.0, 1.0, 1.001)),
            Grid((10, 10, 10), direction=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, -1.0)),
        ],
        ids=["size", "origin", "spacing", "direction"],
    )
    def test_same_as_sees_a_difference_in(self, other):
        assert not Grid((10, 10, 10)).same_as(other)


class TestAxialOrder:
    @pytest.mark.parametrize("orientation", ORIENTATIONS, ids=lambda o: "".join(map(str, o.astype(int).ravel())))
    def test_the_view_is_what_dicom_orient_makes(self, orientation):
        grid = Grid((5, 4, 3), (1.0, 2.0, 3.0), direction=tuple(orientation.ravel().tolist()))
        oriented = sitk.DICOMOrient(grid.image(numbered(grid)), "LPS")
        order = AxialOrder.of(grid)
        assert np.array_equal(order.view(numbered(grid)), sitk.GetArrayFromImage(oriented))
        assert order.spacing(grid) == oriented.GetSpacing()

    @given(grids())
    def test_the_view_of_a_tilted_grid_is_what_dicom_orient_makes(self, grid):
        oriented = sitk.DICOMOrient(grid.image(numbered(grid)), "LPS")
        order = AxialOrder.of(grid)
        assert np.array_equal(order.view(numbered(grid)), sitk.GetArrayFromImage(oriented))
        assert order.spacing(grid) == pytest.approx(oriented.GetSpacing())

    @given(grids())
    def test_restore_undoes_view(self, grid):
        order = AxialOrder.of(grid)
        assert np.array_equal(order.restore(order.view(numbered(grid))), numbered(grid))

    def test_the_view_copies_nothing(self):
        array = np.zeros((3, 4, 5))
        order = AxialOrder.of(Grid((5, 4, 3), direction=tuple(ORIENTATIONS[-1].ravel().tolist())))
        order.view(array)[0, 0, 0] = 7
        assert array.sum() == 7

    @given(grids())
    def test_voxels_name_the_same_value_in_the_view(self, grid):
        order, array, stored = AxialOrder.of(grid), numbered(grid), all_voxels(grid.size)
        axial = order.voxels(stored)
        assert np.array_equal(order.view(array)[tuple(axial[:, ::-1].T)], array[tuple(stored[:, ::-1].T)])

    @given(grids())
    def test_stored_undoes_voxels(self, grid):
        order, stored = AxialOrder.of(grid), all_voxels(grid.size)
        assert np.array_equal(order.stored(order.voxels(stored)), stored)

    @given(grids())
    def test_axial_axes_run_left_back_and_up(self, grid):
        """The next axial voxel along each axis lies further along the same axis of the patient."""
        order = AxialOrder.of(grid)
        start = np.zeros(3, int)
        here = grid.to_world(order.stored(start))
        for axis in range(3):
            step = grid.to_world(order.stored(start + np.eye(3, dtype=int)[axis])) - here
            assert step[0, axis] > 0.9 * np.linalg.norm(step)

    def test_voxels_leaves_what_it_is_given_alone(self):
        given_voxels = np.array([[1, 2, 0]])
        order = AxialOrder.of(Grid((5, 4, 3), direction=(-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, -1.0)))
        assert order.voxels(given_voxels).tolist() == [[3, 1, 2]]
        assert order.stored(given_voxels).tolist() == [[3, 1, 2]]
        assert given_voxels.tolist() == [[1, 2, 0]]
