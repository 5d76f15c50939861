"""A score over the steps of an interaction: step 0 is before the first correction."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def area_under(values: Sequence[float | None]) -> float | None:
    """The area under a score over its steps by the trapezoidal rule, not normalised: five corrections of a
    perfect score give 5. None if a step is undefined.

    Raises:
        ValueError: no steps.

    Examples:
        >>> from sam_pet.scores import area_under
        >>> area_under([1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
        5.0
    """
    defined = _defined(values)
    return None if defined is None else float(np.trapezoid(defined))


def overshoot(values: Sequence[float | None]) -> float | None:
    """The best step minus the last: what corrections past the best one cost. None if a step is undefined.

    Examples:
        >>> from sam_pet.scores import overshoot
        >>> overshoot([0.5, 0.75, 0.5])
        0.25
    """
    defined = _defined(values)
    return None if defined is None else max(defined) - defined[-1]


def interactions_to(values: Sequence[float | None], target: float) -> int | None:
    """The first step whose score reaches the target, or None if none does.

    Examples:
        >>> from sam_pet.scores import interactions_to
        >>> interactions_to([0.6, 0.7, 0.8, 0.9], 0.8)
        2
    """
    return next((step for step, value in enumerate(values) if value is not None and value >= target), None)


def _defined(values: Sequence[float | None]) -> list[float] | None:
    if not values:
        raise ValueError("a curve has at least one step")
    defined = [value for value in values if value is not None]
    return defined if len(defined) == len(values) else None
