from __future__ import annotations

from dataclasses import replace

import numpy as np

from sam_pet.phantom import Phantom, Tissue, make_atypical, make_phantom
from sam_pet.phantom.frame import parse_grid


def atypical_ones(count: int) -> tuple[Phantom, list[Phantom]]:
    whole = make_phantom(20014, "fdg", parse_grid("80x60x110@7x7x8.5"))
    return whole, [make_atypical(replace(whole, facts={**whole.facts, "seed": seed})) for seed in range(count)]


def first_slice(whole: Phantom, atypical: Phantom) -> int:
    corner = atypical.study.grid.to_world([(0, 0, 0)])[0]
    return int(whole.study.grid.to_voxel([corner])[0][2].round())


def test_the_bladder_is_hot_and_of_another_shape() -> None:
    whole, atypical = atypical_ones(6)
    shapes = set()
    for one in atypical:
        bladder = one.organs == Tissue.BLADDER
        assert one.study.pet[bladder].max() > max(15.0, whole.study.pet[whole.organs == Tissue.BLADDER].max())
        shapes.add(int((one.study.pet > 10).sum()))
    assert len(shapes) == 6


def test_it_is_cut_short_at_some_ends_and_else_as_it_was() -> None:
    whole, atypical = atypical_ones(8)
    lengths = set()
    for one in atypical:
        low, depth = first_slice(whole, one), one.study.grid.shape[0]
        lengths.add((low, depth))
        kept = slice(low, low + depth)
        for mine, other in ((one.study.ct, whole.study.ct), (one.lesions, whole.lesions), (one.organs, whole.organs)):
            assert mine is not None
            assert other is not None
            np.testing.assert_array_equal(mine, other[kept])
        # Far from the bladder uptake is the same.
        chest = slice(60 - low, 70 - low)
        np.testing.assert_array_equal(one.study.pet[chest], whole.study.pet[60:70])
    assert len(lengths) > 3


def test_the_same_phantom_gives_the_same_bytes() -> None:
    whole, (first,) = atypical_ones(1)
    again = make_atypical(replace(whole, facts={**whole.facts, "seed": 0}))
    assert first.study.pet.tobytes() == again.study.pet.tobytes()
