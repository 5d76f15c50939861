"""How fast weights are learned, and how they are averaged."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

_LAST = 0.02


def warm_cosine(warmup: int, steps: int) -> Callable[[int], float]:
    """The share of the learning rate at a step: up in a line for `warmup` steps, then down in a cosine to 2 %."""

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        return _LAST + (1 - _LAST) * 0.5 * (1 + math.cos(math.pi * min(step - warmup, steps) / max(steps - warmup, 1)))

    return factor


def averaging(decay: float) -> Callable[[Any, Any, Any], Any]:
    """A moving average for `AveragedModel` that forgets the random weights it began with sooner than later ones."""

    def average(held: torch.Tensor, new: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        keep = min(decay, (1 + float(count)) / (10 + float(count)))
        return torch.lerp(new, held, keep)

    return average
