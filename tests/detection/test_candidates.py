from __future__ import annotations

import numpy as np
import pytest

from sam_pet.detection.body import find_body
from sam_pet.detection.candidates import find_peaks
from sam_pet.detection.features import NAMES, describe
from sam_pet.geometry import Grid
from sam_pet.study import Study
from sam_pet.uptake.peaks import Candidate
from sam_pet.uptake.regions import crop_candidate
from tests.detection.studies import SPOT, ball, body_study


def nearest(candidates: list[Candidate], voxel: tuple[int, int, int]) -> Candidate:
    return min(candidates, key=lambda c: np.abs(np.array(c.peak) - voxel).sum())


def candidates_of(study: Study) -> list[Candidate]:
    return find_peaks(study, find_body(study))


def test_a_hot_spot_is_a_candidate_and_its_region_is_the_spot() -> None:
    study = body_study(spot=6.0)
    found = nearest(candidates_of(study), SPOT)
    assert ball(SPOT, 10)[found.peak[::-1]]
    # Above the lowest threshold of 0.9, and so is nothing near it.
    assert found.prominence == pytest.approx(6.0 / 0.9, rel=0.02)
    spot = crop_candidate(study, found)
    assert spot.around == pytest.approx(0.6)
    mask = np.zeros(study.pet.shape, bool)
    mask[spot.window] = spot.mask()
    assert (mask == ball(SPOT, 10)).all()


def test_no_spot_no_candidate_there() -> None:
    candidates = candidates_of(body_study())
    assert len(candidates) == 2  # liver and brain
    assert not any(ball(SPOT, 30)[c.peak[::-1]] for c in candidates)


def test_the_parent_component_is_what_joins_above_six_tenths() -> None:
    first, second = (40, 30, 50), (46, 30, 50)
    found = {}
    for bridge in (2.0, 4.0):
        study = body_study()
        for place, suv in ((first, 8.0), (second, 6.0)):
            study.pet[ball(place, 14)] = suv
        study.pet[48:53, 28:33, 43] = bridge
        found[bridge] = [nearest(candidates_of(study), place) for place in (first, second)]
    for hot, warm in found.values():
        assert hot.peak != warm.peak
        voxels = {tuple(v) for c in (hot, warm) for v in (np.argwhere(c.basin) + c.corner[::-1]).tolist()}
        assert len(voxels) == hot.basin.sum() + warm.basin.sum()
    assert found[2.0][1].parent_suv == 6.0
    assert found[4.0][1].parent_suv == 8.0
    assert found[4.0][1].parent_ml > 1.5 * found[2.0][1].parent_ml


def test_fine_voxels_are_searched_in_blocks_and_come_back_fine() -> None:
    base = body_study(spot=6.0)
    fine = Study(np.repeat(base.pet, 2, axis=2), None, Grid((160, 60, 160), (2.5, 5.0, 5.0)))
    found = nearest(candidates_of(fine), (2 * SPOT[0], SPOT[1], SPOT[2]))
    spot = crop_candidate(fine, found)
    assert spot.mask().sum() == 2 * ball(SPOT, 10).sum()


def test_an_empty_study_has_no_candidates() -> None:
    assert candidates_of(Study(np.zeros((20, 20, 20), np.float32), None, Grid((20, 20, 20), (5.0, 5.0, 5.0)))) == []


def test_features_are_what_they_are_called() -> None:
    study = body_study(spot=6.0)
    body = find_body(study)
    spot = crop_candidate(study, nearest(find_peaks(study, body), SPOT))
    row = dict(zip(NAMES, describe(study, body, "psma", [spot], [spot.mask()])[0], strict=True))
    assert row["suv"] == pytest.approx(np.log(6.0))
    assert row["volume"] == pytest.approx(np.log(ball(SPOT, 10).sum() * 0.125), abs=1e-5)
    assert row["hu"] == 40
    assert row["sideways"] == pytest.approx((SPOT[0] - 40) * 5, abs=8)
    assert row["mirror"] == pytest.approx(0.1, abs=0.01)
    assert row["tracer"] == 1


def test_without_ct_densities_are_unknown() -> None:
    study = body_study(spot=6.0, with_ct=False)
    body = find_body(study)
    spot = crop_candidate(study, nearest(find_peaks(study, body), SPOT))
    row = dict(zip(NAMES, describe(study, body, "fdg", [spot], [spot.mask()])[0], strict=True))
    assert np.isnan([row[name] for name in ("hu", "bone", "to_lungs", "below_apex")]).all()
    assert np.isfinite([row[name] for name in ("suv", "volume", "depth", "below_top")]).all()
