from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.boxes import MaskBox
from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.session.state import State
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
    return segmenter.open(study)


def away_from(array: np.ndarray, wanted: int) -> tuple[int, int, int]:
    """A voxel (x, y, z) of the first clicked slice where the mask is `wanted`."""
    y, x = np.argwhere(array[FIRST[2]] == wanted)[0]
    return int(x), int(y), FIRST[2]


def test_mask_has_the_pets_geometry_and_holds_the_clicked_voxel(segmenter: Segmenter) -> None:
    base = two_lesion_study()
    grid = Grid(base.grid.size, base.grid.spacing, (1.0, -2.0, 3.0), (1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0))
    session = segmenter.open(Study(base.pet, base.ct, grid))
    session.add_click(FIRST)
    mask = session.mask
    assert Grid.of(mask) == grid
    assert mask.GetPixelID() == sitk.sitkUInt8
    assert mask[FIRST] == 1
    assert set(np.unique(sitk.GetArrayFromImage(mask))) <= {0, 1}


@pytest.mark.parametrize("axes", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_turned_study_gives_the_turned_mask(axes: tuple[int, int, int], segmenter: Segmenter, study: Study) -> None:
    plain = segmenter.open(study)
    plain.add_click(FIRST)
    image = sitk.PermuteAxes(study.grid.image(study.pet), axes)
    ct = sitk.PermuteAxes(study.grid.image(study.ct), axes)
    turned = Study(sitk.GetArrayFromImage(image), sitk.GetArrayFromImage(ct), Grid.of(image))
    session = segmenter.open(turned)
    session.add_click(tuple(FIRST[a] for a in axes))
    expected = sitk.GetArrayFromImage(sitk.PermuteAxes(plain.mask, axes))
    assert plain.array.any()
    np.testing.assert_array_equal(session.array, expected)


def test_a_corrective_click_changes_its_slice_and_neighbours_and_undo_restores_them(session: Session) -> None:
    session.add_click(FIRST)
    before = session.array.copy()
    z = FIRST[2] + 3
    y, x = np.argwhere(before[z])[len(np.argwhere(before[z])) // 2]
    session.add_click((int(x), int(y), z), label="background")
    after = session.array
    changed = [k for k in range(len(after)) if (after[k] != before[k]).any()]
    assert z in changed
    assert {z - 1, z + 1} <= set(changed)
    assert after[z, y, x] == 0
    session.undo()
    assert session.array.tobytes() == before.tobytes()


def test_only_slices_up_to_the_neighbouring_prompt_are_tracked_again(session: Session) -> None:
    session.add_click(FIRST)
    bank = session._state.lesions[1].bank
    session.add_click((FIRST[0], FIRST[1], FIRST[2] + 3), lesion=1)
    again = session._state.lesions[1].bank
    below = [z for z in bank.tracked if z < FIRST[2]]
    assert below
    assert all(again.tracked[z] is bank.tracked[z] for z in below)
    assert sorted(again.conditioning) == [FIRST[2], FIRST[2] + 3]


def test_drawn_voxels_are_in_or_out_of_the_mask_whatever_the_model_says(session: Session) -> None:
    session.add_click(FIRST)
    outside = away_from(session.array, 0)
    session.add_click(outside, lesion=1)
    assert session.array[outside[::-1]] == 1
    session.add_click(outside, label="background")
    assert session.array[outside[::-1]] == 0
    session.add_click(outside, lesion=1)
    assert session.array[outside[::-1]] == 1


def test_a_background_stroke_that_touches_no_mask_changes_nothing(session: Session) -> None:
    session.add_click(FIRST)
    before = session.array.copy()
    number = session.add_click((60, 44, 38), label="background")
    assert session.entries[number].lesions == ()
    assert session.array.tobytes() == before.tobytes()


def test_the_object_score_is_that_of_the_first_prompt_in_its_first_window(session: Session, study: Study) -> None:
    narrow = random_segmenter(largest_mm=64.0).open(study)
    narrow.add_click(FIRST)
    session.add_click(FIRST)
    first, wide = (s._state.lesions[1].clip.width_mm for s in (narrow, session))
    assert first < wide
    assert session.scores == narrow.scores
    session.add_click((FIRST[0], FIRST[1], FIRST[2] + 3), lesion=1)
    assert session.scores == narrow.scores


def test_the_object_score_of_a_large_hot_spot_is_that_of_a_narrow_window(study: Study) -> None:
    narrow, wide = (random_segmenter(first_mm=30.0, largest_mm=mm).open(study) for mm in (30.0, 150.0))
    for session in (narrow, wide):
        session.add_click(FIRST)
    assert wide._state.lesions[1].clip.width_mm > narrow._state.lesions[1].clip.width_mm == 30.0
    assert wide.scores == pytest.approx(narrow.scores, abs=1e-4)


def test_a_far_stroke_starts_a_lesion_and_a_near_one_joins(study: Study) -> None:
    session = random_segmenter(largest_mm=64.0).open(study)
    session.add_click(FIRST)
    near = away_from(session.array, 1)
    session.add_click(near)
    session.add_click(SECOND)
    assert [entry.lesions for entry in session.entries] == [(1,), (1,), (2,)]
    assert sorted(np.unique(session.labels)) == [0, 1, 2]


def test_a_lesion_is_the_same_beside_others(study: Study) -> None:
    alone = random_segmenter(largest_mm=64.0).open(study)
    alone.add_click(SECOND)
    together = random_segmenter(largest_mm=64.0).open(study)
    together.add_click(FIRST)
    together.add_click(SECOND)
    np.testing.assert_array_equal(together.labels == 2, alone.labels == 1)


def test_deleting_a_prompt_is_as_if_it_had_never_been_drawn(study: Study, segmenter: Segmenter) -> None:
    session, expected = segmenter.open(study), segmenter.open(study)
    session.add_click(FIRST)
    extra = session.add_click((FIRST[0] + 2, FIRST[1], FIRST[2] + 2), lesion=1)
    stroke = [(FIRST[0] + k, FIRST[1] + 4, FIRST[2] - 1) for k in range(4)]
    session.add_scribble(stroke, label="background")
    session.delete(extra)
    expected.add_click(FIRST)
    for entry in session.entries[1:]:
        expected.take(entry)
    assert session.array.tobytes() == expected.array.tobytes()
    assert len(session.prompts) == 2
    session.undo()
    assert len(session.prompts) == 3


def test_a_saved_session_replays_to_the_same_bytes(
    session: Session, study: Study, segmenter: Segmenter, tmp_path: Path
) -> None:
    session.add_click(FIRST)
    session.add_box((40, 20, 28), (48, 28, 32))
    session.add_scribble([(FIRST[0] + k, FIRST[1], FIRST[2] + 2) for k in range(3)], label="background")
    session.save(tmp_path)
    again = Session.replay(tmp_path, study, segmenter)
    assert again.array.tobytes() == session.array.tobytes()
    assert again.prompts == session.prompts
    saved = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "mask.nii.gz")))
    assert saved.tobytes() == session.array.tobytes()
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".partial")]


def test_replay_on_another_study_or_model_says_so(
    session: Session, study: Study, segmenter: Segmenter, tmp_path: Path
) -> None:
    session.add_click(FIRST)
    session.save(tmp_path)
    other = Study(study.pet + 1, study.ct, study.grid)
    with pytest.raises(InputError, match="another study"):
        Session.replay(tmp_path, other, segmenter)
    with pytest.raises(InputError, match="another model"):
        Session.replay(tmp_path, study, random_segmenter(seed=1))
    with pytest.raises(InputError, match="no such file"):
        Session.replay(tmp_path / "nowhere", study, segmenter)


def test_a_prompt_off_the_grid_changes_nothing(session: Session) -> None:
    with pytest.raises(InputError, match=r"\(64, 0, 0\) lies outside"):
        session.add_click((64, 0, 0))
    assert session.prompts == ()
    with pytest.raises(InputError, match="nothing has been drawn"):
        session.undo()
    with pytest.raises(InputError, match="no prompt 3"):
        session.delete(3)


def test_a_single_slice_volume_is_segmented(segmenter: Segmenter) -> None:
    pet = np.full((1, 40, 40), 0.5, np.float32)
    pet[0, 15:25, 15:25] = 9
    session = segmenter.open(Study(pet, None, Grid((40, 40, 1), (3.0, 3.0, 3.0))))
    session.add_click((20, 20, 0))
    assert session.array.shape == (1, 40, 40)
    assert session.array[0, 20, 20] == 1


def test_the_table_has_a_row_for_each_lesion(session: Session) -> None:
    session.add_click(FIRST)
    table = session.lesions
    assert table["lesion"].tolist() == [1]
    assert table["voxels"].iloc[0] == session.array.sum()


def test_of_a_merged_lesion_of_the_first_answer_a_stroke_drops_the_part_that_it_is_on(session: Session) -> None:
    session.add_click(FIRST)
    both = MaskBox((0, 0, 0), session.study.axial_pet > 5)
    found = replace(session.state.lesions[1], block=both, found=1)
    session.restore(State(found={1: found}, asked="fdg"))
    first = both.values.copy()
    first[20:] = False
    session.add_scribble([(x, y, 10) for x in range(17, 24) for y in (24, 25)], label="background")
    (left,) = session.state.lesions.values()
    assert (session.array.astype(bool) == both.values & ~first).all()
    ((x, y, z),) = left.prompts[0].voxels.tolist()
    assert both.values[z, y, x]
    assert not first[z, y, x]
    session.undo()
    assert (session.array.astype(bool) == both.values).all()
