"""Paint in a session: brush, eraser, outlines by rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_pet.errors import InputError
from sam_pet.prompt_files import parse_prompts, points, record
from sam_pet.prompts import Paint, paint
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.study import Study
from tests.fakes import random_segmenter, two_lesion_study

FIRST = (20, 24, 10)
SQUARE = np.array([(x, y, 10) for x in range(16, 25) for y in range(20, 29)])


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return random_segmenter(largest_mm=64.0)


@pytest.fixture(scope="module")
def study() -> Study:
    return two_lesion_study()


@pytest.fixture
def session(study: Study, segmenter: Segmenter) -> Session:
    return segmenter.open(study)


def voxels_of(session: Session, lesion: int = 1) -> set[tuple[int, ...]]:
    return {tuple(v) for v in np.argwhere(session.labels == lesion)[:, ::-1].tolist()}


def test_runs_hold_the_voxels_once_whatever_their_order() -> None:
    shuffled = np.random.default_rng(0).permutation(np.concatenate([SQUARE, SQUARE[:5], [[0, 0, 0], [63, 47, 39]]]))
    painted = paint(shuffled)
    assert len(painted.runs) == 9 + 2
    assert {tuple(v) for v in painted.voxels.tolist()} == {tuple(v) for v in shuffled.tolist()}
    assert len(painted.voxels) == len(SQUARE) + 2
    with pytest.raises(InputError, match="no voxel"):
        paint([])


def test_painted_voxels_are_the_mask_and_the_next_paint_extends_it(session: Session) -> None:
    session.paint(SQUARE)
    assert voxels_of(session) == {tuple(v) for v in SQUARE.tolist()}
    session.paint([(24, 24, 10), (25, 24, 10)])
    assert len(voxels_of(session)) == len(SQUARE) + 1
    session.paint([(50, 40, 30)])
    assert len(session.lesions) == 2
    session.undo()
    session.undo()
    assert voxels_of(session) == {tuple(v) for v in SQUARE.tolist()}


def test_erasing_takes_from_every_lesion_and_an_emptied_one_is_gone(session: Session) -> None:
    session.paint(SQUARE)
    session.paint([(50, 40, 30)])
    session.paint([(50, 40, 30), *SQUARE[:10].tolist()], "background")
    assert list(session.lesions["lesion"]) == [1]
    assert len(voxels_of(session)) == len(SQUARE) - 10
    session.undo()
    assert len(session.lesions) == 2


def test_what_is_painted_as_one_lesion_is_no_other_s(session: Session) -> None:
    session.paint(SQUARE)
    session.paint(SQUARE[:30], lesion=7)
    assert len(voxels_of(session, 1)) == len(SQUARE) - 30
    assert len(voxels_of(session, 7)) == 30


def test_a_redrawn_lesion_holds_these_voxels_and_one_undo_brings_the_model_s_back(session: Session) -> None:
    session.add_click(FIRST)
    before = session.labels
    session.redraw(1, SQUARE)
    assert voxels_of(session) == {tuple(v) for v in SQUARE.tolist()}
    session.undo()
    assert np.array_equal(session.labels, before)
    session.redraw(2, [(50, 40, 30)])
    assert voxels_of(session, 2) == {(50, 40, 30)}
    with pytest.raises(InputError):
        session.redraw(1, [(99, 0, 0)])


def test_regions_become_lesions_in_one_step(session: Session) -> None:
    session.add_click(FIRST)
    assert session.paint_lesions([np.array([(50, 40, 30)]), np.array([(50, 40, 35)])]) == [2, 3]
    session.undo()
    assert list(session.lesions["lesion"]) == [1]


def test_strokes_correct_what_is_painted(session: Session) -> None:
    session.paint(SQUARE)
    session.add_scribble(SQUARE[:4], "background")
    assert voxels_of(session) < {tuple(v) for v in SQUARE.tolist()}
    assert not {tuple(v) for v in SQUARE[:4].tolist()} & voxels_of(session)
    before = voxels_of(session)
    session.add_click((20, 24, 11))
    assert before | {(20, 24, 11)} <= voxels_of(session)
    assert not {tuple(v) for v in SQUARE[:4].tolist()} & voxels_of(session)


def test_what_was_drawn_and_then_erased_does_not_come_back_with_the_next_stroke(session: Session) -> None:
    session.add_scribble(SQUARE[:9])
    session.paint(SQUARE[:4], "background")
    session.add_scribble([tuple(SQUARE[60].tolist())], "background", lesion=1)
    assert not {tuple(v) for v in SQUARE[:4].tolist()} & voxels_of(session)


def test_what_was_drawn_as_background_and_then_painted_stays(session: Session) -> None:
    session.add_click(FIRST)
    session.add_scribble(SQUARE[:4], "background")
    session.paint(SQUARE[:4], lesion=1)
    session.add_click((20, 25, 10))
    assert {tuple(v) for v in SQUARE[:4].tolist()} <= voxels_of(session)


def test_a_session_with_paint_is_saved_and_replayed(
    session: Session, study: Study, segmenter: Segmenter, tmp_path: Path
) -> None:
    session.add_click(FIRST)
    session.paint(SQUARE[:20], "background")
    session.redraw(1, SQUARE)
    session.save(tmp_path)
    again = Session.replay(tmp_path, study, segmenter)
    assert np.array_equal(again.labels, session.labels)
    assert points(session.prompts)["points"] == [{"point": list(FIRST), "name": "tumor"}]


def test_damaged_runs_are_refused(study: Study) -> None:
    good = record([paint(SQUARE)])
    assert parse_prompts(good, study.grid) == [Paint(paint(SQUARE).runs)]
    for runs in (
        None,
        [],
        [[0, 0, 0]],
        [[0, 0, 0, 0]],
        [[0, 0, 0, 65]],
        [[0, 0, 0, 1 << 40]],
        [["a", 0, 0, 1]],
        [[-1, 0, 0, 2]],
    ):
        good["prompts"][0]["runs"] = runs
        with pytest.raises(InputError, match="runs"):
            parse_prompts(good, study.grid)
