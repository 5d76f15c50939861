from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sam_pet.boxes import MaskBox, overlap
from sam_pet.cases import find_cases
from sam_pet.errors import InputError
from sam_pet.models import load_model, save_model
from sam_pet.models.checkpoint import add_part, untrained
from sam_pet.models.manifest import ModelManifest
from sam_pet.models.parts import RANKER
from sam_pet.models.verify import verify
from sam_pet.prompts import Voxels
from sam_pet.proposers.first_features import FIRST_NAMES
from sam_pet.proposers.uptake_levels import LEVELS, above_levels
from sam_pet.sam2.clips import ClipRecipe
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.study import Study
from sam_pet.train.ranker import fit
from sam_pet.train.ranker_examples import FirstExamples
from sam_pet.train.store import ExampleStore
from sam_pet.uptake.peaks import Candidate, candidates_at
from sam_pet.uptake.regions import crop_candidate
from tests.fakes import FixedRanker, random_segmenter, two_lesion_study
from tests.train.cases import write_cases

FIRST, SECOND = (20, 24, 10), (44, 24, 30)


def voxels(*points: tuple[int, int, int]) -> Voxels:
    return np.array(points, np.int64)


def opened(study: Study, number: int | None) -> Session:
    segmenter = random_segmenter()
    segmenter.__dict__["ranker"] = None if number is None else FixedRanker(number)
    return segmenter.open(study)


def ball(study: Study, place: tuple[int, int, int]) -> np.ndarray:
    z, y, x = np.mgrid[: study.pet.shape[0], : study.pet.shape[1], : study.pet.shape[2]]
    near: np.ndarray = ((x - place[0]) * 5) ** 2 + ((y - place[1]) * 5) ** 2 + ((z - place[2]) * 4) ** 2 < 30**2
    return (study.pet > 5) & near


def test_boxes_overlap_where_they_do() -> None:
    shared = overlap((2, 3, 4), (5, 6, 7), (4, 5, 6), (9, 9, 2))
    assert shared == (
        (slice(2, 5), slice(2, 6), slice(2, 4)),
        (slice(0, 3), slice(0, 4), slice(0, 2)),
    )
    assert overlap((0, 0, 0), (2, 2, 2), (2, 0, 0), (2, 2, 2)) is None


def basin(study: Study, candidate: Candidate) -> np.ndarray:
    spot = crop_candidate(study, candidate)
    mask = np.zeros(study.pet.shape, bool)
    mask[spot.window] = spot.basin
    return mask


def test_the_basin_at_a_prompt_ends_where_another_peak_begins_unless_the_prompt_spans_both() -> None:
    study = two_lesion_study()
    study.pet[9:12, 23:26, 27:30] = 6.0
    study.pet[9:12, 23:26, 23:27] = 3.0
    (one,) = candidates_at(study, voxels(FIRST))
    assert basin(study, one)[FIRST[::-1]]
    assert not basin(study, one)[10, 24, 29]
    (both,) = candidates_at(study, voxels(FIRST, (28, 24, 10)))
    assert both.peak == one.peak
    assert basin(study, both)[10, 24, 29]


def test_a_prompt_on_a_slope_points_at_the_peak_and_at_its_own_place() -> None:
    study = two_lesion_study()
    study.pet[9:12, 23:26, 23:26] = 4.0
    slope = (24, 24, 10)
    peak, own = candidates_at(study, voxels(slope))
    assert ball(study, FIRST)[peak.peak[::-1]]
    assert own.peak[2] == 10
    assert own.suv == pytest.approx(4.0)
    assert basin(study, own)[slope[::-1]]
    assert not basin(study, own)[FIRST[::-1]]


def test_where_nothing_is_taken_up_there_is_no_peak_and_the_models_mask_stands() -> None:
    study = replace(two_lesion_study(), pet=np.zeros((40, 48, 64), np.float32))
    assert candidates_at(study, voxels(FIRST)) == []
    plain, chosen = opened(study, None), opened(study, 0)
    for session in (plain, chosen):
        session.add_click(FIRST)
    assert (plain.array == chosen.array).all()


def test_higher_levels_lie_within_lower_ones_and_their_box_holds_what_is_drawn() -> None:
    study = two_lesion_study()
    (candidate,) = candidates_at(study, voxels(FIRST))
    far = voxels((60, 2, 38))
    blocks = above_levels(crop_candidate(study, candidate), far)
    assert len(blocks) == len(LEVELS)
    assert all(len(block.rows(far)[0]) == 1 and not block.touches(far) for block in blocks)
    for lower, higher in pairwise(blocks):
        assert not (higher.values & ~lower.values).any()


@pytest.mark.parametrize("with_ct", [True, False])
def test_every_outline_is_described(with_ct: bool) -> None:
    study = two_lesion_study() if with_ct else replace(two_lesion_study(), ct=None)
    tracker = random_segmenter().tracker(study)
    session = opened(study, 0)
    session.add_click(FIRST)
    outlines = tracker.proposers.outlines(session.state.lesions[1], np.zeros((0, 3), np.int64))
    blocks, features = outlines.blocks, outlines.features
    assert features.shape == (len(blocks), len(FIRST_NAMES)) == (1 + len(LEVELS), len(FIRST_NAMES))
    of_ct = np.isin(FIRST_NAMES, ("hu", "hu_spread", "rim_hu"))
    of_contours = np.array([name.startswith(("contour_", "agreement_")) for name in FIRST_NAMES])
    assert np.isfinite(features[:, ~of_ct & ~of_contours]).all()
    assert np.isnan(features[:, of_contours]).all()
    assert np.isfinite(features[:, of_ct]).all() == with_ct
    column = dict(zip(FIRST_NAMES, features.T, strict=True))
    np.testing.assert_allclose(column["level"], [0.0, *LEVELS], rtol=1e-6)
    size = ball(study, FIRST).sum() * study.grid.voxel_ml
    assert np.exp(column["volume"][6]) == pytest.approx(size, rel=1e-4)
    assert column["agreement"][0] == 1
    assert (column["rim"][1:] < column["coldest"][1:]).all()
    assert (column["below"] == 0).all()


def test_the_chosen_outline_is_the_mask_and_obeys_what_is_drawn() -> None:
    study = two_lesion_study()
    session = opened(study, 6)
    session.add_scribble([(18, 24, 10), (19, 24, 10)], label="background")
    session.add_click(FIRST)
    expected = ball(study, FIRST)
    expected[10, 24, 18:20] = False
    assert (session.array == expected).all()
    cold = (26, 24, 10)
    other = opened(study, 6)
    other.add_scribble([FIRST, cold])
    assert other.array[cold[::-1]] == 1
    assert (other.array >= ball(study, FIRST)).all()


def test_a_box_keeps_the_models_mask() -> None:
    masks = []
    for number in (None, 6):
        session = opened(two_lesion_study(), number)
        session.add_box((17, 21, 7), (23, 27, 13))
        masks.append(session.array)
    assert (masks[0] == masks[1]).all()


def test_an_outline_ranker_is_carried_checked_and_told_apart(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint"
    clip = ClipRecipe(first_mm=64.0, largest_mm=64.0)
    save_model(untrained("nano", 64), ModelManifest(name="small", clip=clip, trained=True), checkpoint)
    plain = Segmenter(load_model(checkpoint), "cpu")
    (case,) = find_cases(write_cases(tmp_path / "cases", 1))
    examples = FirstExamples(ExampleStore(tmp_path / "store"), prompts=1)
    found = examples.of(case, plain, seed=0)
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*.npz")}
    again = examples.of(case, plain, seed=0)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*.npz")} == made
    np.testing.assert_array_equal(found.features, again.features)
    assert found.choices == 8
    add_part(checkpoint, "ranker", fit([[found]]).write, {"tracker": plain.sha256})
    segmenter = Segmenter(load_model(checkpoint), "cpu")
    assert segmenter.ranker is not None
    assert segmenter.ranker.content.training["prompts"] == 8
    assert segmenter.facts["ranker"] == verify(checkpoint)[RANKER]
    session = segmenter.open(two_lesion_study())
    session.add_click(FIRST)
    session.save(tmp_path / "saved")
    with pytest.raises(InputError, match="another model"):
        Session.replay(tmp_path / "saved", two_lesion_study(), plain)
    damaged = bytearray((checkpoint / RANKER).read_bytes())
    damaged[-3] ^= 1
    (checkpoint / RANKER).write_bytes(damaged)
    with pytest.raises(InputError, match=RANKER):
        verify(checkpoint)
    with pytest.raises(InputError, match=RANKER):
        load_model(checkpoint)


def test_a_block_without_a_voxel_is_described_too() -> None:
    study = two_lesion_study()
    session = opened(study, 0)
    session.add_click(FIRST)
    lesion = session.state.lesions[1]
    tracker = random_segmenter().tracker(study)
    empty = MaskBox((0, 0, 0), np.zeros((1, 1, 1), bool))
    outlines = tracker.proposers.outlines(replace(lesion, block=empty), voxels(FIRST))
    blocks, features = outlines.blocks, outlines.features
    assert all(not block.touches(voxels(FIRST)) for block in blocks)
    assert len(features) == len(blocks)
