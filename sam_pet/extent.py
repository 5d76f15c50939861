"""The bounding box of a mask, found without listing its voxels: masks hold up to 100 million."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Slices = tuple[slice, slice, slice]


def bounding_box(mask: npt.NDArray[Any]) -> Slices | None:
    """The slices that cut a mask [z, y, x] down to what is not 0; None if there is nothing."""
    z = span(mask, 0)
    if z is None:
        return None
    y, x = span(mask[z], 1), span(mask[z], 2)
    return None if y is None or x is None else (z, y, x)


def span(mask: npt.NDArray[Any], axis: int, margin: int = 0) -> slice | None:
    """Where a mask is not 0 along one axis, with a margin that stays inside; None if it is nowhere."""
    others = tuple(a for a in range(mask.ndim) if a != axis)
    on = np.flatnonzero(mask.any(axis=others))
    if not on.size:
        return None
    return slice(max(0, int(on[0]) - margin), min(mask.shape[axis], int(on[-1]) + 1 + margin))
