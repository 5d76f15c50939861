"""The widget without a browser: the messages of its canvases, as the front end sends them."""

from __future__ import annotations

import base64
import io
import logging
import sys

import numpy as np
import pytest
from PIL import Image

from sam_pet.viewer.planes import AXIAL, CORONAL
from sam_pet.viewer.still import Still
from sam_pet.viewer.widget import Viewer
from tests.fakes import random_segmenter, two_lesion_study

# The pixel of voxel (20, 24, 10): the volume is 320 mm wide on 480 pixels.
LESION = [20.5 * 5 * 1.5, 24.5 * 5 * 1.5]


@pytest.fixture(scope="module")
def segmenter():
    return random_segmenter()


@pytest.fixture
def viewer(segmenter):
    return segmenter.open(two_lesion_study()).view()


def tell(viewer, plane, **message):
    viewer._canvases[plane]._handle_custom_msg(message, [])


def click(viewer, pixel, background=False):
    tell(viewer, AXIAL, kind="stroke", pixels=[pixel], background=background)


def test_a_click_makes_a_lesion_and_shift_takes_from_it(viewer):
    assert isinstance(viewer, Viewer)
    viewer._slices[AXIAL].value = 10
    click(viewer, LESION)
    session = viewer.scene.session
    assert session.array[10, 24, 20] == 1
    assert f">{session.lesions['volume_ml'][0]:.2f}<" in viewer._table.value
    click(viewer, [LESION[0] + 7.5, LESION[1]], background=True)
    assert session.array[10, 24, 21] == 0
    assert [p.label for p in session.prompts] == ["tumor", "background"]
    viewer._undo.click()
    viewer._undo.click()
    assert session.prompts == ()
    assert "no lesions yet" in viewer._table.value
    viewer._undo.click()
    assert "nothing has been drawn" in viewer._line.value


def test_wheel_and_sliders_turn_the_slices(viewer):
    tell(viewer, CORONAL, kind="wheel", turn=1)
    assert viewer.scene.cursor == (32, 23, 20)
    assert viewer._slices[CORONAL].value == 23
    viewer._slices[AXIAL].value = 3
    assert viewer.scene.cursor == (32, 23, 3)
    assert viewer._line.value == "voxel (32, 23, 3): SUV 0.80, 40 HU"


def test_the_projection_moves_the_cursor_and_draws_nothing(viewer):
    viewer._mip._handle_custom_msg({"kind": "stroke", "pixels": [[333, 57]], "background": False}, [])
    assert viewer.scene.cursor == (44, 22, 30)
    assert viewer.scene.session.prompts == ()


def test_sliders_change_the_pictures(viewer):
    before = viewer._canvases[AXIAL].png
    viewer._fusion.value = 0.0
    grey = np.asarray(Image.open(io.BytesIO(viewer._canvases[AXIAL].png)))
    assert grey[300, 300].tolist() == [127, 127, 127]
    assert viewer._canvases[AXIAL].png != before
    viewer._zoom.value = 4
    assert viewer.scene.zoom == 4
    viewer._suv.value = (2.0, 6.0)
    assert viewer.scene.suv == (2.0, 6.0)


def test_a_failure_is_said_and_not_left_as_work_in_progress(viewer, monkeypatch):
    def fail(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(viewer.scene.session, "add_click", fail)
    click(viewer, LESION)
    assert viewer._line.value == "failed: out of memory"


def test_a_picture_stands_in_where_no_front_end_runs_the_widget(viewer):
    bundle = viewer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    picture = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert picture.size == (480 * 3 + 360 + 18, 360)


def test_without_the_extra_there_is_a_still_picture_and_a_word_about_it(segmenter, monkeypatch, caplog):
    monkeypatch.delitem(sys.modules, "sam_pet.viewer.widget")
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with caplog.at_level(logging.WARNING):
        shown = segmenter.open(two_lesion_study()).view()
    assert isinstance(shown, Still)
    assert shown._repr_png_().startswith(b"\x89PNG")
    assert "pip install 'sam-pet[notebook]'" in caplog.text
