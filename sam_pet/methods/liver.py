"""PERCIST's threshold: from the uptake of the liver, which is found in the study without an atlas.

PERCIST 1.0 (Wahl et al. 2009, doi 10.2967/jnumed.108.057307) measures lesions above 1.5 times the mean plus two
standard deviations of the lean-body-mass SUV in a sphere of 3 cm in the right lobe of the liver. Studies here have
body-weight SUV; as both sides of the comparison are scaled alike, the voxels found are the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cc3d
import numpy as np
import numpy.typing as npt
from scipy.ndimage import convolve, maximum_filter, minimum_filter

from sam_pet.methods.method import Bools
from sam_pet.readers.stroke import Stroke
from sam_pet.study import Study, Volume

# Where there is no liver. It is also the usual fixed threshold.
FALLBACK_SUV = 4.0
_SPHERE_MM = 30.0
_STEP_MM = 6.0
# What a sphere in a liver is like: soft tissue throughout, and an even uptake above that of muscle and of blood.
_SOFT_TISSUE_HU = (0.0, 200.0)
_SUV = (1.2, 15.0)
_LARGEST_VARIATION = 0.2
# Sphere centres that hang together must fill this: the sphere fits into no more than the inner part of a liver.
_SMALLEST_ML = 30.0


@dataclass(frozen=True)
class Liver:
    """Mean and standard deviation of the SUV in the reference sphere, and its centre [z, y, x]."""

    mean: float
    deviation: float
    center: tuple[int, int, int]

    @property
    def threshold(self) -> float:
        return 1.5 * self.mean + 2 * self.deviation


def percist(study: Study, stroke: Stroke) -> float:  # noqa: ARG001  (one signature for all levels)
    """PERCIST's threshold of a study, or `FALLBACK_SUV` where no liver is found, as in a crop of a leg."""
    return _threshold(_Once(study))


class _Once:
    """A study as a key: the liver is looked for once a study, not at every stroke."""

    def __init__(self, study: Study) -> None:
        self.study = study

    def __hash__(self) -> int:
        return id(self.study)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Once) and other.study is self.study


@lru_cache(maxsize=1)
def _threshold(once: _Once) -> float:
    liver = find_liver(once.study)
    return FALLBACK_SUV if liver is None else liver.threshold


def find_liver(study: Study) -> Liver | None:
    """The reference sphere in the liver, or None.

    On a grid of about 6 mm every sphere of 3 cm is looked at: all of it soft tissue (where there is a CT), its
    uptake even. The centres that pass are grouped by touch; of the groups that are large enough and on the patient's
    right, the one with the largest product of volume and uptake is the liver, whose rivals are even but less active
    (muscle, spleen, blood). The sphere of the smallest variation in it is the reference.
    """
    step = [max(1, round(_STEP_MM / s)) for s in study.frame_spacing[::-1]]
    spacing = [s * n for s, n in zip(study.frame_spacing[::-1], step, strict=True)]
    ball = _ball(spacing)
    pet = _blocks(study.axial_pet, step)
    if any(n < k for n, k in zip(pet.shape, ball.shape, strict=True)):
        return None
    weights = ball / ball.sum()
    mean = convolve(pet, weights, mode="nearest")
    deviation = np.sqrt(np.maximum(convolve(pet**2, weights, mode="nearest") - mean**2, 0))
    even = (mean >= _SUV[0]) & (mean <= _SUV[1]) & (deviation <= _LARGEST_VARIATION * mean)
    if study.axial_ct is not None:
        even &= _soft(_blocks(study.axial_ct, step), ball)
    groups = cc3d.connected_components(even, connectivity=6)
    best = _likeliest(groups, mean, float(np.prod(spacing)) / 1000.0)
    if best is None:
        return None
    variation = np.where(groups == best, deviation / np.maximum(mean, 1e-6), np.inf)
    z, y, x = np.unravel_index(int(variation.argmin()), variation.shape)
    axial = [(i * n + n // 2) for i, n in zip((x, y, z), step[::-1], strict=True)]
    stored = study.order.stored([axial])[0].tolist()
    return Liver(float(mean[z, y, x]), float(deviation[z, y, x]), (stored[2], stored[1], stored[0]))


def _likeliest(groups: npt.NDArray[np.integer], mean: Volume, voxel_ml: float) -> int | None:
    best, most = None, 0.0
    middle = groups.shape[2] / 2
    for label in range(1, int(groups.max()) + 1):
        where = np.argwhere(groups == label)
        uptake = float(mean[groups == label].sum())
        right = where[:, 2].mean() < middle
        if right and len(where) * voxel_ml >= _SMALLEST_ML and uptake > most:
            best, most = label, uptake
    return best


def _soft(ct: Volume, ball: npt.NDArray[np.float64]) -> Bools:
    low, high = _SOFT_TISSUE_HU
    footprint = ball > 0
    return (minimum_filter(ct, footprint=footprint) >= low) & (maximum_filter(ct, footprint=footprint) <= high)


def _ball(spacing: list[float]) -> npt.NDArray[np.float64]:
    radius = _SPHERE_MM / 2
    axes = [np.arange(-int(radius / s), int(radius / s) + 1) * s for s in spacing]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    ball: npt.NDArray[np.float64] = (z**2 + y**2 + x**2 <= radius**2).astype(float)
    return ball


def _blocks(volume: Volume, step: list[int]) -> Volume:
    """Means over blocks of so many voxels; what is left over at the far ends is dropped."""
    z, y, x = (n - n % k for n, k in zip(volume.shape, step, strict=True))
    parts = volume[:z, :y, :x].reshape(z // step[0], step[0], y // step[1], step[1], x // step[2], step[2])
    means: Volume = parts.mean(axis=(1, 3, 5))
    return means
