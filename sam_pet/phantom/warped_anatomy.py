"""A phantom on the organs of another, bent out of shape: as round a real organ map, little is where it was drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.geometry import Grid
from sam_pet.phantom.make import Phantom, make_phantom
from sam_pet.phantom.shapes import smooth_noise
from sam_pet.phantom.tissue import Tissue, Tracer

Labels = npt.NDArray[np.integer[Any]]
Rng = np.random.Generator
# The donor's seed is so far off.
_DONOR = 100_000
# Displacements (mm) of this spread, smooth over this length; each axis is scaled by the exponential of a normal number.
_BENT_MM, _SMOOTH_MM, _SCALED = (2.0, 10.0), (70.0, 160.0), 0.06
# At most two of these are not in the map.
_MAY_LACK = (Tissue.SPLEEN, Tissue.BLADDER, Tissue.BRAIN, Tissue.STOMACH, Tissue.PROSTATE, Tissue.SALIVARY)
_DROPPED = 0.1


def make_warped(seed: int, tracer: Tracer, grid: Grid) -> Phantom:
    """A phantom round the organs of another phantom on this grid; its lesions grow where those of the other were.

    Organs and lesions are bent together, bones and the rest of the body are not; some organs and lesions are left out.

    Examples:
        >>> from sam_pet.phantom import make_warped
        >>> from sam_pet.phantom.frame import parse_grid
        >>> make_warped(7, "psma", parse_grid("60x60x90@8x8x11")).facts["anatomy"]
        'organ map'
    """
    rng = np.random.default_rng([seed, 77])
    donor = make_phantom(seed + _DONOR, tracer, grid)
    order = donor.study.order
    organs, lesions = (np.ascontiguousarray(order.view(labels)) for labels in (donor.organs, donor.lesions))
    bent = _bend(organs.shape, order.spacing(grid)[::-1], rng)
    organs, lesions = organs[bent], lesions[bent]
    for organ in rng.permutation(_MAY_LACK)[: rng.integers(0, 3)]:
        organs[organs == organ] = 0
    stored = np.zeros(grid.shape, np.uint8)
    order.view(stored)[...] = organs
    strokes = [_stroke(lesions, n) for n in np.unique(lesions)[1:] if rng.random() >= _DROPPED]
    if not strokes:
        return make_phantom(seed, tracer, lesion_free=True, anatomy=grid.image(stored))
    seeds = [(int(x), int(y), int(z)) for x, y, z in order.stored(np.concatenate(strokes))]
    return make_phantom(seed, tracer, lesion_free=False, anatomy=grid.image(stored), seeds=seeds)


def _bend(shape: tuple[int, ...], step: tuple[float, ...], rng: Rng) -> tuple[npt.NDArray[np.int32], ...]:
    """The index (z, y, x) at which each voxel takes its value."""
    far = np.float32(rng.uniform(*_BENT_MM))
    depth, height, width = shape
    index = []
    for axis, (count, spacing) in enumerate(zip(shape, step, strict=True)):
        move = smooth_noise(rng, (depth, height, width), step, rng.uniform(*_SMOOTH_MM)) * far
        line = (np.arange(count, dtype=np.float32) - count / 2) * np.exp(rng.normal(0, _SCALED)) + count / 2
        line = line.reshape([-1 if a == axis else 1 for a in range(3)])
        index.append(np.clip(np.rint(line + move / np.float32(spacing)), 0, count - 1).astype(np.int32))
    return tuple(index)


def _stroke(lesions: Labels, number: int) -> npt.NDArray[np.int64]:
    """A line of voxels (x, y, z) across the middle of a lesion."""
    inside = np.argwhere(lesions == number)
    z, y, x = inside[np.abs(inside - inside.mean(axis=0)).sum(axis=1).argmin()]
    row = np.concatenate([[False], lesions[z, y] == number, [False]])
    first = x - int(np.argmin(row[x + 1 :: -1])) + 1
    last = x + int(np.argmin(row[x + 1 :])) - 1
    across = np.arange(first, last + 1)
    return np.stack([across, np.full_like(across, y), np.full_like(across, z)], axis=1)
