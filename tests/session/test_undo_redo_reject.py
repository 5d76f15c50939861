from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_pet.errors import InputError
from sam_pet.prompts import Click
from sam_pet.proposers.lesion import Lesion
from sam_pet.segmenter import Segmenter
from sam_pet.session.engine import LesionSegmenter
from sam_pet.session.session import Session
from sam_pet.study import Study
from tests.fakes import random_segmenter, two_lesion_study

FIRST, SECOND = (20, 24, 10), (44, 24, 30)


@pytest.fixture(scope="module")
def study() -> Study:
    return two_lesion_study()


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return random_segmenter()


@pytest.fixture
def session(study: Study, segmenter: Segmenter) -> Session:
    session = segmenter.open(study)
    session.add_click(FIRST)
    session.add_click(SECOND)
    return session


def test_redo_does_again_what_undo_took_back(session: Session) -> None:
    both = session.labels
    session.undo()
    session.undo()
    assert not session.array.any()
    session.redo()
    session.redo()
    assert np.array_equal(session.labels, both)


def test_after_another_prompt_there_is_nothing_to_redo(session: Session) -> None:
    session.undo()
    session.add_click((44, 24, 31))
    with pytest.raises(InputError, match="redo: nothing"):
        session.redo()


def test_a_rejected_lesion_leaves_the_mask_and_the_others_stay(session: Session) -> None:
    before = session.labels
    number = session.reject(1)
    # Where two lesions overlap, the older one's number is shown.
    assert set(np.unique(session.labels)) == {0, 2}
    assert (session.labels[before == 2] == 2).all()
    assert not session.labels[before == 0].any()
    assert list(session.lesions["lesion"]) == [2]
    session.undo()
    assert np.array_equal(session.labels, before)
    session.redo()
    session.delete(number)
    assert np.array_equal(session.labels, before)


def test_a_rejection_is_saved_and_replayed(
    session: Session, study: Study, segmenter: Segmenter, tmp_path: Path
) -> None:
    session.reject(2)
    session.save(tmp_path)
    again = Session.replay(tmp_path, study, segmenter)
    assert np.array_equal(again.labels, session.labels)
    assert again.prompts == session.prompts


def test_where_a_lesion_was_rejected_a_new_one_may_be_drawn_whole(session: Session) -> None:
    before = session.labels
    session.reject(2)
    session.add_click(SECOND, lesion=3)
    assert np.array_equal(session.labels == 3, before == 2)


@pytest.mark.parametrize("lesion", [3, 1])
def test_a_lesion_that_is_not_there_cannot_be_rejected(session: Session, lesion: int) -> None:
    session.reject(1)
    before = session.labels
    with pytest.raises(InputError, match=rf"there is no lesion {lesion}; there are 2"):
        session.reject(lesion)
    assert np.array_equal(session.labels, before)


@pytest.mark.parametrize("lesion", [0, -1, 65536, 1.5, True, "1"])
def test_what_is_no_number_of_a_lesion_is_refused(session: Session, lesion: object) -> None:
    before = session.labels
    with pytest.raises(InputError, match="is no number of a lesion"):
        session.add_click(FIRST, lesion=lesion)  # type: ignore[arg-type]
    assert np.array_equal(session.labels, before)
    assert len(session.prompts) == 2


@pytest.mark.parametrize("elsewhere", [[], [FIRST]])
def test_a_stroke_on_what_a_first_answer_has_missed_gives_what_it_gives_alone(
    elsewhere: list[tuple[int, int, int]],
    study: Study,
    segmenter: Segmenter,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nothing = np.zeros((0, 3), np.int64)

    def found(tracker: LesionSegmenter, *_: object) -> list[Lesion]:
        return tracker.start([Click(place) for place in elsewhere], nothing)

    monkeypatch.setattr("sam_pet.detection.detect.first_answer", found)
    x, y, z = SECOND
    stroke = [(x - 1, y, z), SECOND, (x + 1, y, z)]
    alone, after = segmenter.open(study), segmenter.open(study)
    assert after.first_answer() == len(elsewhere)
    for session in (alone, after):
        session.add_scribble(stroke)
    assert np.array_equal(alone.array > 0, after.labels == len(elsewhere) + 1)
