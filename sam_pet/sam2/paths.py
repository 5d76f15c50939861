"""Which slices to track again after a prompt, and in which direction."""

from __future__ import annotations

from itertools import pairwise

from sam_pet.sam2.memory import MemoryBank
from sam_pet.sam2.tracker import SlicePath


def stale_slices(bank: MemoryBank, slice_: int) -> list[int]:
    """The tracked slices between a prompted one and its neighbours: what is remembered there no longer holds."""
    below, above = bank.neighbours(slice_)
    return [z for z in bank.tracked if (below is None or z > below) and (above is None or z < above)]


def paths_to_fill(bank: MemoryBank, first: int, last: int) -> list[SlicePath]:
    """The paths through every stretch between prompted slices that holds no tracked one, within `first`..`last`.

    Outward from the outermost prompted slices; between two of them from both to the middle, as the nearer is trusted.
    """
    prompted = sorted(bank.conditioning)
    paths = [SlicePath(range(prompted[0] - 1, first - 1, -1)), SlicePath(range(prompted[-1] + 1, last + 1))]
    for low, high in pairwise(prompted):
        middle = (low + high) // 2
        paths += [SlicePath(range(low + 1, middle + 1)), SlicePath(range(high - 1, middle, -1))]
    stretches = [
        range(first, prompted[0]),
        *(range(a + 1, b) for a, b in pairwise(prompted)),
        range(prompted[-1] + 1, last + 1),
    ]
    tracked = [s for s in stretches if any(z in bank.tracked for z in s)]
    return [path for path in paths if len(path.slices) and not any(path.slices[0] in s for s in tracked)]


def paths_beyond(bank: MemoryBank, first: int, last: int) -> list[SlicePath]:
    """The paths that go on from the outermost remembered slices to `first` and `last`."""
    held = bank.all()
    paths = [SlicePath(range(min(held) - 1, first - 1, -1)), SlicePath(range(max(held) + 1, last + 1))]
    return [path for path in paths if len(path.slices)]
