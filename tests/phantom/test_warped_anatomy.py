from __future__ import annotations

import numpy as np
import pytest

from sam_pet.phantom import Phantom, Tissue, make_phantom, make_warped
from sam_pet.phantom.frame import parse_grid

GRID = parse_grid("80x60x110@7x7x8.5")
SEED = 28003


@pytest.fixture(scope="module")
def warped() -> Phantom:
    return make_warped(SEED, "psma", GRID)


@pytest.fixture(scope="module")
def donor() -> Phantom:
    return make_phantom(SEED + 100_000, "psma", GRID)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_organs_are_the_donors_bent_out_of_shape(warped: Phantom, donor: Phantom) -> None:
    assert warped.facts["anatomy"] == "organ map"
    own = make_phantom(SEED, "psma", GRID)
    for organ in (Tissue.LIVER, Tissue.LUNG):
        assert 0.5 < overlap(warped.organs == organ, donor.organs == organ) < 0.95
        assert overlap(warped.organs == organ, own.organs == organ) < 0.95


def test_lesions_grow_about_where_the_donors_were(warped: Phantom, donor: Phantom) -> None:
    count, theirs = len(warped.facts["lesions"]), int(donor.lesions.max())
    assert 0.5 * theirs < count <= theirs
    distance = np.linalg.norm(
        np.array([lesion["centre"] for lesion in warped.facts["lesions"]])[:, None] * GRID.spacing
        - np.array([lesion["centre"] for lesion in donor.facts["lesions"]]) * GRID.spacing,
        axis=2,
    )
    # The bend moves what is near the ends of the body by up to some centimetres.
    assert np.median(distance.min(axis=1)) < 60


def test_the_same_seed_gives_the_same_study(warped: Phantom) -> None:
    again = make_warped(SEED, "psma", GRID)
    assert np.array_equal(again.study.pet, warped.study.pet)
    assert np.array_equal(again.lesions, warped.lesions)


def test_a_donor_without_lesions_makes_a_study_without() -> None:
    assert not make_warped(28000, "fdg", GRID).lesions.any()
