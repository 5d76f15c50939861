from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch

from sam_pet.prompts import Click
from sam_pet.sam2.memory import Memory, MemoryBank
from sam_pet.sam2.memory_filter import MemoryFilter
from sam_pet.sam2.steps import Sam2Steps
from tests.fakes import random_segmenter, two_lesion_study
from tests.sam2.models import random_model

EVEN = [5.0] * 7


def memory(tokens: list[float], prompted: bool = False) -> Memory:
    flag = torch.ones(1)
    return Memory(flag[None, None], flag, flag, flag, torch.tensor([tokens]), reverse=False, prompted=prompted)


def left(recent: list[tuple[int, Memory]], uptake: list[float], chosen: MemoryFilter | None = None) -> list[int]:
    return [away for away, _ in (chosen or MemoryFilter()).kept(recent, lambda away: uptake[away])]


def test_of_equal_neighbours_the_nearest_is_left() -> None:
    assert left([(n, memory([1.0, 0.0])) for n in (6, 5, 4, 3, 2, 1)], EVEN) == [1]


def test_a_memory_is_compared_with_the_one_that_was_kept() -> None:
    turning = [(n, memory([1.0, 0.2 * n])) for n in (4, 3, 2, 1)]
    assert left(turning, EVEN, MemoryFilter(alike=0.97)) == [3, 1]
    assert left(turning, EVEN, MemoryFilter(alike=0.999)) == [4, 3, 2, 1]


def test_a_prompted_slice_is_never_dropped() -> None:
    recent = [(3, memory([1.0, 0.0])), (2, memory([1.0, 0.0], prompted=True)), (1, memory([1.0, 0.0]))]
    assert left(recent, EVEN) == [2, 1]


def test_a_slice_is_never_dropped_where_uptake_changes() -> None:
    recent = [(n, memory([1.0, 0.0])) for n in (3, 2, 1)]
    assert left(recent, [0.0, 5.0, 8.0, 8.5]) == [2, 1]
    assert left(recent, [0.0, 5.0, 8.0, 8.5], MemoryFilter(change=0.9)) == [1]


@pytest.mark.parametrize("alike", [None, 0.01])
def test_the_steps_show_what_is_left_and_count_it(alike: float | None) -> None:
    chosen = None if alike is None else MemoryFilter(alike=alike)
    core = Sam2Steps(random_model(), memory_filter=chosen)
    tracked = {z: memory([1.0, 0.0]) for z in range(1, 7)}
    bank = MemoryBank({0: memory([1.0, 0.0], prompted=True)}, tracked)
    shown = core.select_memories(bank, 7, reverse=False, depth=20, uptake=lambda _: 5.0)
    assert [away for away, _ in shown.recent] == ([6, 5, 4, 3, 2, 1] if chosen is None else [1])
    assert len(shown.prompted) == 1
    assert (core.offered, core.shown) == (6, len(shown.recent))
    everything = core.select_memories(bank, 7, reverse=False, depth=20)
    assert len(everything.recent) == 6


def test_a_checkpoint_that_asks_for_it_tracks_with_fewer_memories() -> None:
    study = two_lesion_study()
    for chosen in (None, MemoryFilter(alike=0.01, change=1.0)):
        segmenter = random_segmenter()
        segmenter.core = Sam2Steps(segmenter.core.model, memory_filter=chosen)
        tracker = segmenter.tracker(study)
        (lesion,) = tracker.track([Click((20, 24, 10))], np.zeros((0, 3), np.int64))
        assert lesion.block.values.any()
        share = segmenter.core.shown / segmenter.core.offered
        assert share == 1 if chosen is None else share < 0.5


def test_records_are_read_without_torch() -> None:
    code = "import sys; import sam_pet.models.manifest; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
