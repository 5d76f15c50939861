from __future__ import annotations

import numpy as np
import pytest

from sam_pet.phantom import Phantom, Tissue, make_borrowed, make_phantom
from sam_pet.phantom.frame import parse_grid

GRID = parse_grid("80x60x110@7x7x8.5")
SEED = 28003


@pytest.fixture(scope="module")
def borrowed() -> Phantom:
    return make_borrowed(SEED, "psma", GRID)


@pytest.fixture(scope="module")
def lender() -> Phantom:
    return make_phantom(SEED + 100_000, "psma", GRID)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float(2 * (one & other).sum() / (one.sum() + other.sum()))


def test_organs_are_the_lenders_bent_out_of_shape(borrowed: Phantom, lender: Phantom) -> None:
    assert borrowed.facts["anatomy"] == "organ map"
    own = make_phantom(SEED, "psma", GRID)
    for organ in (Tissue.LIVER, Tissue.LUNG):
        assert 0.5 < overlap(borrowed.organs == organ, lender.organs == organ) < 0.95
        assert overlap(borrowed.organs == organ, own.organs == organ) < 0.95


def test_lesions_grow_about_where_the_lenders_were(borrowed: Phantom, lender: Phantom) -> None:
    count, theirs = len(borrowed.facts["lesions"]), int(lender.lesions.max())
    assert 0.5 * theirs < count <= theirs
    distance = np.linalg.norm(
        np.array([lesion["centre"] for lesion in borrowed.facts["lesions"]])[:, None] * GRID.spacing
        - np.array([lesion["centre"] for lesion in lender.facts["lesions"]]) * GRID.spacing,
        axis=2,
    )
    # The bend moves what is near the ends of the body by up to some centimetres.
    assert np.median(distance.min(axis=1)) < 60


def test_the_same_seed_gives_the_same_study(borrowed: Phantom) -> None:
    again = make_borrowed(SEED, "psma", GRID)
    assert np.array_equal(again.study.pet, borrowed.study.pet)
    assert np.array_equal(again.lesions, borrowed.lesions)


def test_a_lender_without_lesions_makes_a_study_without() -> None:
    assert not make_borrowed(28000, "fdg", GRID).lesions.any()
