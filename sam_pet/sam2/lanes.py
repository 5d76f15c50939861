"""Which slices to track again after a prompt, and in which direction."""

from __future__ import annotations

from itertools import pairwise

from sam_pet.sam2.memory import MemoryBank
from sam_pet.sam2.tracker import SlicePath


def stale_slices(bank: MemoryBank, slice_: int) -> list[int]:
    """The tracked slices between a prompted one and its neighbours: what is remembered there no longer holds."""
    below, above = bank.neighbours(slice_)
    return [z for z in bank.tracked if (below is None or z > below) and (above is None or z < above)]


def lanes_to_fill(bank: MemoryBank, first: int, last: int) -> list[SlicePath]:
    """The lanes through every stretch between prompted slices that holds no tracked one, within `first`..`last`.

    Outward from the outermost prompted slices; between two of them from both to the middle, as the nearer is trusted.
    """
    prompted = sorted(bank.conditioning)
    lanes = [SlicePath(range(prompted[0] - 1, first - 1, -1)), SlicePath(range(prompted[-1] + 1, last + 1))]
    for low, high in pairwise(prompted):
        middle = (low + high) // 2
        lanes += [SlicePath(range(low + 1, middle + 1)), SlicePath(range(high - 1, middle, -1))]
    stretches = [
        range(first, prompted[0]),
        *(range(a + 1, b) for a, b in pairwise(prompted)),
        range(prompted[-1] + 1, last + 1),
    ]
    tracked = [s for s in stretches if any(z in bank.tracked for z in s)]
    return [lane for lane in lanes if len(lane.slices) and not any(lane.slices[0] in s for s in tracked)]


def lanes_beyond(bank: MemoryBank, first: int, last: int) -> list[SlicePath]:
    """The lanes that go on from the outermost remembered slices to `first` and `last`."""
    held = bank.all()
    lanes = [SlicePath(range(min(held) - 1, first - 1, -1)), SlicePath(range(max(held) + 1, last + 1))]
    return [lane for lane in lanes if len(lane.slices)]
