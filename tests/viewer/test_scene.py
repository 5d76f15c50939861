"""What is drawn on pictures goes into the session, and what the session holds is on the pictures."""

from __future__ import annotations

import numpy as np
import pytest

from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.labels import lesion_colour
from sam_pet.prompts import Click, Scribble
from sam_pet.study import Study
from sam_pet.viewer.paint import STROKES, fused, projected, scaled
from sam_pet.viewer.planes import AXIAL, CORONAL, SAGITTAL
from sam_pet.viewer.scene import Scene
from tests.fakes import random_segmenter, two_lesion_study


@pytest.fixture(scope="module")
def segmenter():
    return random_segmenter()


@pytest.fixture
def scene(segmenter):
    """320 x 240 x 160 mm at 1 pixel a mm."""
    return Scene(segmenter.open(two_lesion_study()), longest=320)


def turned(study: Study) -> Study:
    """The study stored with y and z exchanged and x running to the right."""
    pet, ct = (np.ascontiguousarray(a.transpose(1, 0, 2)[:, :, ::-1]) for a in (study.pet, study.ct))
    x, y, z = study.grid.size
    return Study(pet, ct, Grid((x, z, y), (5.0, 4.0, 5.0), (0.0, 0, 0), (-1.0, 0, 0, 0, 0, 1.0, 0, 1.0, 0)))


def test_a_click_is_the_voxel_under_it_and_the_cursor_follows(scene):
    scene.move((32, 24, 10))
    scene.draw(AXIAL, [(102, 122), (103, 123)], "tumor")
    assert scene.session.prompts == (Click((20, 24, 10), "tumor"),)
    assert scene.cursor == (20, 24, 10)


def test_a_drag_is_a_scribble_on_the_slice_shown(scene):
    scene.move((20, 24, 10))
    # Voxels are 5 mm across and 4 mm high; the pixel row of slice 10 is 160 - 10.5 * 4.
    scene.draw(SAGITTAL, [(112, 118), (132, 118)], "background")
    (prompt,) = scene.session.prompts
    assert prompt == Scribble(((20, 22, 10), (20, 23, 10), (20, 24, 10), (20, 25, 10), (20, 26, 10)), "background")


def test_prompts_are_on_the_stored_grid(segmenter):
    scene = Scene(segmenter.open(turned(two_lesion_study())), longest=320)
    assert scene.size == (64, 48, 40)
    scene.move((0, 0, 10))
    scene.draw(AXIAL, [(102, 122)], "tumor")
    assert scene.session.prompts == (Click((43, 10, 24), "tumor"),)
    assert scene.here == "voxel (43, 10, 24): SUV 8.00, 40 HU"
    assert scene.labels[10, 24, 20] == 1


def test_the_projection_leads_to_the_hottest_voxel_behind_it(scene):
    scene.study.pet[30, 25, 44] = 9.0
    scene.find((44.5 * 5, 160 - 30.5 * 4))
    assert scene.cursor == (44, 25, 30)


def test_the_cursor_stays_in_the_volume_and_the_window_about_the_cursor(scene):
    scene.move((20, 24, 10))
    scene.magnify(4.0)
    before = scene.view(AXIAL)
    scene.move((22, 24, 10))
    assert scene.view(AXIAL) == before
    scene.move((60, 24, 10))
    assert scene.view(AXIAL).voxels([scene.view(AXIAL).pixel((60, 24, 10))], 10).tolist() == [[60, 24, 10]]
    scene.move((-3, 99, 40))
    assert scene.cursor == (0, 47, 39)


def test_pictures_show_lesions_strokes_and_what_an_undo_leaves(scene):
    scene.move((20, 24, 10))
    bare = {plane: scene.picture(plane) for plane in (AXIAL, CORONAL, SAGITTAL)}
    mip = scene.mip()
    scene.draw(AXIAL, [(102, 122)], "tumor")
    for plane, before in bare.items():
        after = scene.picture(plane)
        assert (after == STROKES["tumor"]).all(axis=2).any()
        assert (after == lesion_colour(1)).all(axis=2).sum() > (before == lesion_colour(1)).all(axis=2).sum()
    assert (scene.mip() == lesion_colour(1)).all(axis=2).any()
    scene.session.undo()
    assert all((scene.picture(plane) == before).all() for plane, before in bare.items())
    assert (scene.mip() == mip).all()


def test_lesions_found_without_a_prompt_are_seen_and_gone_after_undo(scene, monkeypatch):
    def found(tracker, *_):
        return tracker.start([Click((20, 24, 10))], np.zeros((0, 3), np.int64))

    monkeypatch.setattr("sam_pet.detection.detect.first_answer", found)
    assert not scene.labels.any()
    scene.session.first_answer()
    assert scene.labels[10, 24, 20] == 1
    scene.session.undo()
    assert not scene.labels.any()


def test_a_new_scene_looks_at_the_last_prompt(scene):
    scene.session.add_click((44, 24, 30))
    assert Scene(scene.session).cursor == (44, 24, 30)


def test_windows_and_fusion_are_as_said(scene):
    view = scene.view(AXIAL)
    pet, ct = scene.study.pet[10], scene.study.ct[10]
    # SUV 8 of a window from 0 to 16 is half; SUV 0.8 of a window from 1 on is nothing.
    assert scaled(pet, view, (0.0, 16.0))[122, 102] == pytest.approx(0.5)
    assert scaled(pet, view, (1.0, 16.0))[122, 200] == 0.0
    # 40 HU is in the middle of the window of soft tissue.
    assert fused(ct, pet, view, (0.0, 16.0), 0.0)[122, 102].tolist() == [127, 127, 127]
    only = fused(ct, pet, view, (0.0, 16.0), 1.0)
    assert (only == fused(None, pet, view, (0.0, 16.0), 0.3)).all()
    assert only[122, 102, 0] > only[122, 102, 2]
    # In the projection hot is black.
    flat = CORONAL.project(scene.study.pet)
    grey = projected(flat, scene.mip_view, (0.0, 8.0))
    assert grey[118, 102].tolist() == [0, 0, 0]
    assert grey[118, 220].tolist() == [230, 230, 230]


def test_a_study_without_ct_is_shown(segmenter):
    study = two_lesion_study()
    scene = Scene(segmenter.open(Study(study.pet, None, study.grid)), longest=160)
    assert scene.here == "voxel (32, 24, 20): SUV 0.80"
    # Projection and coronal plane are 160 x 80, the axial one 160 x 120, the sagittal one 120 x 80; 6 pixels between.
    assert scene.still().shape == (120, 3 * 160 + 120 + 3 * 6, 3)


def test_undo_of_nothing_says_so(scene):
    with pytest.raises(InputError, match="nothing has been drawn"):
        scene.session.undo()
