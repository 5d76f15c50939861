"""Which slices to track again after a prompt, and in which direction."""

from __future__ import annotations

from sam_pet.tracker.memory import MemoryBank
from sam_pet.tracker.tracker import Lane


def stale_slices(bank: MemoryBank, slice_: int) -> list[int]:
    """The tracked slices between a prompted one and its neighbours: what is remembered there no longer holds."""
    below, above = bank.neighbours(slice_)
    return [z for z in bank.tracked if (below is None or z > below) and (above is None or z < above)]


def lanes_between(bank: MemoryBank, slice_: int, first: int, last: int) -> list[Lane]:
    """The lanes that fill the slices around a prompted one, up to its neighbours or to `first` and `last`.

    Between two prompted slices each one's lane goes to the middle: the nearer one is trusted.
    """
    below, above = bank.neighbours(slice_)
    lanes = []
    if above is None:
        lanes.append(Lane(range(slice_ + 1, last + 1)))
    else:
        middle = (slice_ + above) // 2
        lanes += [Lane(range(slice_ + 1, middle + 1)), Lane(range(above - 1, middle, -1))]
    if below is None:
        lanes.append(Lane(range(slice_ - 1, first - 1, -1)))
    else:
        middle = (slice_ + below) // 2
        lanes += [Lane(range(slice_ - 1, middle, -1)), Lane(range(below + 1, middle + 1))]
    return [lane for lane in lanes if len(lane.slices)]
