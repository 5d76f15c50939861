"""Sizes, counts and uptake of lesions over many patients, and the growing of one."""

from __future__ import annotations

import numpy as np
import pytest

from sam_pet.phantom.lesions import Burden, LesionScene, grow_at
from sam_pet.phantom.tissue import Tissue, Tracer


@pytest.mark.parametrize(("tracer", "median"), [("fdg", 6), ("psma", 8)])
def test_counts_and_sizes_are_those_of_the_challenge(tracer: Tracer, median: int) -> None:
    rng = np.random.default_rng(0)
    burdens = [Burden.draw(tracer, False, rng) for _ in range(400)]
    counts = [b.count for b in burdens]
    assert abs(np.median(counts) - median) <= 1
    assert max(counts) > 60
    volumes, uptakes = np.array([b.lesion(rng) for b in burdens for _ in range(5)]).T
    assert np.median(volumes) == pytest.approx(1.1, abs=0.3)
    assert (volumes < 1).mean() == pytest.approx(0.45, abs=0.08)
    assert volumes.min() >= 0.1
    assert 50 < volumes.max() <= 500
    assert 3.5 < np.median(uptakes) < 6.5


def scene(shape: tuple[int, int, int] = (40, 40, 40), spacing: float = 2.0) -> LesionScene:
    return LesionScene(
        tissue=np.full(shape, Tissue.MUSCLE, np.uint8),
        uptake=np.full(shape, 0.7, np.float32),
        hu=np.full(shape, 50, np.float32),
        labels=np.zeros(shape, np.uint16),
        spacing=(spacing,) * 3,
        fwhm_mm=5.0,
        contrast=False,
        tracer="fdg",
    )


@pytest.mark.parametrize("seed", range(8))
def test_a_lesion_has_the_volume_drawn_for_it(seed: int) -> None:
    drawn = scene()
    facts = grow_at(drawn, np.array([[20, 20, 20]]), Burden(1, 3.0, 5.0), np.random.default_rng(seed))
    wanted = Burden(1, 3.0, 5.0).lesion(_own(seed))[0]
    # A single voxel bounds the volume by 4 times the cube of its side (here 0.032 mL) where more is drawn.
    assert facts[0]["volume_ml"] == pytest.approx(min(wanted, 4 * 8 / 1000), abs=0.01)
    assert drawn.labels[20, 20, 20] == 1


def _own(seed: int) -> np.random.Generator:
    return np.random.default_rng(np.random.default_rng(seed).integers(2**63))


def test_a_lesion_stays_in_its_tissue() -> None:
    drawn = scene()
    drawn.tissue[:, :, 21:] = Tissue.BLADDER
    seeds = np.array([[z, 20, 18] for z in range(14, 26)])
    grow_at(drawn, seeds, Burden(1, 20.0, 5.0), np.random.default_rng(1))
    assert drawn.labels[20, 20, 18] == 1
    assert not drawn.labels[:, :, 21:].any()


def test_two_strokes_give_two_lesions_that_do_not_touch() -> None:
    drawn = scene()
    strokes = [[20, 20, x] for x in range(8, 16)] + [[20, 20, x] for x in range(18, 26)]
    facts = grow_at(drawn, np.array(strokes), Burden(2, 5.0, 5.0), np.random.default_rng(2))
    assert [f["label"] for f in facts] == [1, 2]
    first = np.argwhere(drawn.labels == 1)
    second = np.argwhere(drawn.labels == 2)
    gap = np.abs(first[:, None] - second[None]).max(axis=-1).min()
    assert gap >= 2


def test_lesions_are_hotter_than_their_surroundings() -> None:
    drawn = scene()
    grow_at(drawn, np.array([[20, 20, x] for x in range(16, 24)]), Burden(1, 2.0, 5.0), np.random.default_rng(3))
    assert np.median(drawn.uptake[drawn.labels > 0]) > 1.2
    assert drawn.uptake[0, 0, 0] == pytest.approx(0.7)
