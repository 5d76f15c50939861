"""Pixels and voxels, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sam_pet.viewer.planes import AXIAL, CORONAL, SAGITTAL, SliceView, canvas_size, window

# 40 x 20 x 60 mm; with 2 pixels a mm the canvases are 80 x 40 (axial), 80 x 120 (coronal), 40 x 120 (sagittal).
SIZE, SPACING = (20, 10, 12), (2.0, 2.0, 5.0)


def view(plane, centre=(9, 4, 5), zoom=1.0):
    low, span = window(SIZE, SPACING, centre, zoom)
    return SliceView(plane, SIZE, SPACING, low, span, *canvas_size(plane, SIZE, SPACING, 120))


@pytest.mark.parametrize(("plane", "canvas"), [(AXIAL, (80, 40)), (CORONAL, (80, 120)), (SAGITTAL, (40, 120))])
def test_a_millimetre_has_as_many_pixels_in_every_plane(plane, canvas):
    assert canvas_size(plane, SIZE, SPACING, 120) == canvas


@pytest.mark.parametrize(
    ("plane", "pixel", "voxel"),
    [
        (AXIAL, (0, 0), (0, 0, 7)),
        (AXIAL, (3.9, 4.1), (0, 1, 7)),
        (AXIAL, (79, 39), (19, 9, 7)),
        # The head, the last slice, is on top.
        (CORONAL, (0, 0), (0, 7, 11)),
        (CORONAL, (41, 9.9), (10, 7, 11)),
        (CORONAL, (41, 10.1), (10, 7, 10)),
        (CORONAL, (79, 119), (19, 7, 0)),
        (SAGITTAL, (0, 119), (7, 0, 0)),
        (SAGITTAL, (38, 15), (7, 9, 10)),
    ],
)
def test_a_pixel_is_the_voxel_it_shows(plane, pixel, voxel):
    assert view(plane).voxels([pixel], 7).tolist() == [list(voxel)]


def test_pixels_beyond_the_canvas_are_its_border():
    assert view(AXIAL).voxels([(-5, 200), (500, -1)], 0).tolist() == [[0, 9, 0], [19, 0, 0]]


@pytest.mark.parametrize("plane", [AXIAL, CORONAL, SAGITTAL])
@pytest.mark.parametrize("zoom", [1.0, 2.0, 3.7])
def test_the_centre_of_a_voxel_is_on_its_pixel(plane, zoom):
    seen = view(plane, zoom=zoom)
    assert seen.voxels([seen.pixel((9, 4, 5))], (9, 4, 5)[plane.through]).tolist() == [[9, 4, 5]]


def test_zoom_shows_less_and_stays_in_the_volume():
    # Twice: 20 x 10 x 30 mm. Voxel (9, 4, 5) has its centre at (19, 9, 27.5) mm; at the corner nothing is beyond.
    assert window(SIZE, SPACING, (9, 4, 5), 2.0) == ((9.0, 4.0, 12.5), (20.0, 10.0, 30.0))
    assert window(SIZE, SPACING, (0, 9, 11), 2.0) == ((0.0, 10.0, 30.0), (20.0, 10.0, 30.0))


@pytest.mark.parametrize("plane", [AXIAL, CORONAL, SAGITTAL])
def test_what_is_cut_out_is_what_the_pixels_say(plane):
    numbers = np.arange(np.prod(SIZE)).reshape(SIZE[::-1])
    seen = view(plane, zoom=2.0)
    left, upper, right, lower = seen.box
    shown = plane.cut(numbers, 5)
    for part_u, part_v in ((0.1, 0.1), (0.6, 0.3), (0.9, 0.95)):
        x, y, z = seen.voxels([(part_u * seen.width, part_v * seen.height)], 5)[0]
        row, column = int(upper + part_v * (lower - upper)), int(left + part_u * (right - left))
        assert shown[row, column] == numbers[z, y, x]


def test_a_stroke_has_no_gaps_and_no_voxel_twice():
    drawn = view(CORONAL).stroke([(2, 117), (22, 97), (2, 117)], 3)
    # From voxel (0, 3, 0) to (5, 3, 2): across 5 voxels and up 2, and back on itself.
    assert drawn[0].tolist() == [0, 3, 0]
    assert [5, 3, 2] in drawn.tolist()
    assert len(drawn) == len(np.unique(drawn, axis=0))
    assert set(drawn[:, 0]) == set(range(6))
    assert set(drawn[:, 1]) == {3}
    assert (np.abs(np.diff(drawn[:6], axis=0)).max(axis=1) == 1).all()


def test_a_projection_is_the_maximum_head_up():
    volume = np.zeros(SIZE[::-1])
    volume[11, 4, 2] = 7
    assert np.argwhere(CORONAL.project(volume)).tolist() == [[0, 2]]
