"""Models made within bounds: no configuration, damaged or not, takes more memory than its weights fill."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

_MAKERS = (torch.empty, torch.ones, torch.rand, torch.randn, torch.zeros)


class AtMost(TorchFunctionMode):
    """In the block tensors with so many numbers in all can be made from shapes, and no more.

    The meta device would tell shapes without any memory, but makes torch load its compiler, which takes a second.

    Raises:
        ValueError: there would be more.
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self._left = most

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func in _MAKERS and args:
            shape = args[0] if isinstance(args[0], Sequence) else args
            self._left -= math.prod(int(length) for length in shape)
            if self._left < 0:
                raise ValueError(f"it asks for tensors of {tuple(shape)}, far more than there are weights")
        return func(*args, **(kwargs or {}))
