"""How far apart the surfaces of two masks are.

A surface is the voxels of a mask with one of their six neighbours outside it; distances are between voxel
centres, in mm. The normalised surface Dice and the HD95 are those of MONAI's `compute_surface_dice` (without
sub-voxels) and `compute_hausdorff_distance`; a k-d tree instead of distance maps keeps whole bodies cheap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

Bools = npt.NDArray[np.bool_]
Distances = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """From each surface voxel of one mask to the nearest of the other, both ways, in mm; infinite if the other
    mask is empty."""

    to_truth: Distances
    to_prediction: Distances

    def dice(self, tolerance_mm: float) -> float | None:
        """Normalised surface Dice (Nikolov et al. 2021, doi 10.2196/26151): the share of both surfaces within
        the tolerance of the other; None if both masks are empty."""
        distances = np.concatenate([self.to_truth, self.to_prediction])
        return float((distances <= tolerance_mm).mean()) if distances.size else None

    def hausdorff(self, percentile: float) -> float | None:
        """The larger of the two directed distances' percentiles, in mm; None if a mask is empty."""
        if not (self.to_truth.size and self.to_prediction.size):
            return None
        return float(max(np.percentile(d, percentile) for d in (self.to_truth, self.to_prediction)))


def surface_distances(prediction: Bools, truth: Bools, spacing: tuple[float, float, float]) -> SurfaceDistances:
    """Distances between the surfaces of two masks [z, y, x] of one shape; `spacing` is (x, y, z) in mm.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.scores.surface import surface_distances
        >>> cube = np.zeros((8, 8, 8), bool)
        >>> cube[2:5, 2:5, 2:5] = True
        >>> distances = surface_distances(cube, np.roll(cube, 1, axis=2), (4.0, 4.0, 4.0))
        >>> distances.hausdorff(100), distances.dice(4.0)
        (4.0, 1.0)
    """
    ours, theirs = (_surface_mm(mask, spacing) for mask in (prediction, truth))
    return SurfaceDistances(to_truth=_nearest(ours, theirs), to_prediction=_nearest(theirs, ours))


def _surface_mm(mask: Bools, spacing: tuple[float, float, float]) -> Distances:
    inner = mask.copy()
    for axis in range(3):
        along, kept = np.moveaxis(mask, axis, 0), np.moveaxis(inner, axis, 0)
        kept[1:] &= along[:-1]
        kept[:-1] &= along[1:]
        kept[[0, -1]] = False
    surface: Distances = np.argwhere(mask & ~inner) * np.asarray(spacing[::-1])
    return surface


def _nearest(points: Distances, others: Distances) -> Distances:
    if not len(others):
        return np.full(len(points), np.inf)
    return np.asarray(KDTree(others).query(points)[0], np.float64)
