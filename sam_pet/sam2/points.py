"""From strokes to point prompts: SAM 2 takes a few points, a stroke has hundreds of voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def spread_points(points: npt.NDArray[Any], count: int) -> npt.NDArray[Any]:
    """At most `count` of the points (n, 2 or 3), spread over them: farthest-point sampling from the middle one.

    The first is the point nearest to the centroid; each further one is farthest from those taken, the first of equals.
    """
    if len(points) <= count:
        return points
    positions = points.astype(float)
    taken = [int(((positions - positions.mean(axis=0)) ** 2).sum(axis=1).argmin())]
    distance = ((positions - positions[taken[0]]) ** 2).sum(axis=1)
    while len(taken) < count:
        taken.append(int(distance.argmax()))
        distance = np.minimum(distance, ((positions - positions[taken[-1]]) ** 2).sum(axis=1))
    return points[taken]
