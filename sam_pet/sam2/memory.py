"""What a tracker remembers of one lesion: its mask on each slice, as logits and as tokens to attend to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Prediction:
    """The mask decoder's answer for a batch of n frames; low resolution s = S / 4.

    `masks` (n, m, s, s) are the candidate masks as raw logits and `ious` (n, m) their expected IoU;
    `best` (n,) is the chosen candidate. `object_score` (n, 1) is above 0 where the lesion is on the frame;
    `pointer` (n, C) is the object pointer of the chosen candidate, were it present.
    """

    masks: Tensor
    ious: Tensor
    best: Tensor
    object_score: Tensor
    pointer: Tensor

    @property
    def logits(self) -> Tensor:
        """The chosen candidate's raw logits, (n, 1, s, s)."""
        rows = torch.arange(len(self.best), device=self.best.device)
        return self.masks[rows, self.best].unsqueeze(1)


@dataclass(frozen=True)
class Memory:
    """One lesion on one slice.

    `logits` (1, s, s) as shown: far below 0 everywhere if the object score says that the lesion is absent.
    `object_score` (1,), `iou` (1,), `pointer` (C,); `tokens` (h * w, D) is the encoded memory.
    `reverse` tells the direction in which the slice was reached; `prompted` slices are never overwritten.
    """

    logits: Tensor
    object_score: Tensor
    iou: Tensor
    pointer: Tensor
    tokens: Tensor
    reverse: bool
    prompted: bool

    @property
    def present(self) -> bool:
        """Whether there is a mask at all on this slice."""
        return bool((self.logits > 0).any())


@dataclass(frozen=True)
class MemoryBank:
    """The memories of one lesion by slice: `conditioning` where it was prompted, `tracked` elsewhere.

    A bank is never changed; every method gives a new one, so that an earlier state costs nothing to keep.
    """

    conditioning: Mapping[int, Memory] = field(default_factory=dict)
    tracked: Mapping[int, Memory] = field(default_factory=dict)

    def with_memory(self, slice_: int, memory: Memory) -> Self:
        """With one more memory; a prompted one takes the place of a tracked one."""
        if memory.prompted:
            rest = {z: m for z, m in self.tracked.items() if z != slice_}
            return type(self)({**self.conditioning, slice_: memory}, rest)
        return type(self)(self.conditioning, {**self.tracked, slice_: memory})

    def without_tracked(self, slices: Iterable[int]) -> Self:
        """Without the tracked memories of some slices: they are stale."""
        stale = set(slices)
        return type(self)(self.conditioning, {z: m for z, m in self.tracked.items() if z not in stale})

    def without_prompted(self, slice_: int) -> Self:
        """Without the prompted memory of a slice, as if it had not been shown."""
        return type(self)({z: m for z, m in self.conditioning.items() if z != slice_}, self.tracked)

    def get(self, slice_: int) -> Memory | None:
        return self.conditioning.get(slice_) or self.tracked.get(slice_)

    def neighbours(self, slice_: int) -> tuple[int | None, int | None]:
        """The nearest prompted slices below and above."""
        below = [z for z in self.conditioning if z < slice_]
        above = [z for z in self.conditioning if z > slice_]
        return max(below, default=None), min(above, default=None)

    def all(self) -> dict[int, Memory]:
        """Every slice's memory, in the order of slices."""
        return dict(sorted({**self.tracked, **self.conditioning}.items()))
