"""Memories that say the same as their neighbour, left out: the inter-slice redundancy filter of volumes and videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    # Records of checkpoints hold a filter, and are read without torch.
    from sam_pet.sam2.memory import Memory


class MemoryFilter(BaseModel):
    """Which tracked slices a slice is not shown, see `kept`; it travels with a checkpoint.

    Attributes:
        alike: from which cosine similarity on two memories say the same.
        change: by which part uptake may differ between two slices that say the same.
        near_mm: how far from the middle of the lesion's window that uptake is looked for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    alike: float = Field(default=0.95, gt=0, le=1)
    change: float = Field(default=0.2, ge=0, le=1)
    near_mm: float = Field(default=20.0, gt=0, le=1000)

    def kept(
        self, recent: Sequence[tuple[int, Memory]], uptake: Callable[[int], float]
    ) -> tuple[tuple[int, Memory], ...]:
        """What is left of a slice's recent memories.

        One goes if it is nearly the one that was kept before it, nearer to the slice, and uptake is as well. A prompted
        slice always stays, and so does one between which and that neighbour uptake changes.

        Args:
            recent: (slices away, memory), the farthest first.
            uptake: by slices away, the hottest uptake of the lesion's surroundings.
        """
        left: list[tuple[int, Memory]] = []
        for away, memory in recent[::-1]:
            if left and not memory.prompted and self._same(memory, left[-1][1]):
                one, two = uptake(away), uptake(left[-1][0])
                if abs(one - two) <= self.change * max(one, two):
                    continue
            left.append((away, memory))
        return tuple(left[::-1])

    def _same(self, one: Memory, other: Memory) -> bool:
        first, second = one.tokens.flatten().float(), other.tokens.flatten().float()
        return float(first @ second) >= self.alike * float(first.norm() * second.norm())
