"""Segmentation from seeds on the voxel graph: random walker and geodesic distance, by scikit-image.

Both need more seeds than a first click gives: what is hot for the lesion and connected to a stroke is taken for tumor,
what is cold for it, and the border of a window around it, for background. Strokes overrule these seeds in their
neighbourhood.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from skimage.graph import MCP_Geometric
from skimage.segmentation import random_walker

from sam_pet.boxes import Slices
from sam_pet.geometry import Grid
from sam_pet.methods.method import Bools, Segment
from sam_pet.methods.near import hottest, near, seeds
from sam_pet.methods.threshold import fraction_of_max, region_growing
from sam_pet.methods.window import around, coarse, factors_for, fine, grown, merged
from sam_pet.proposers.geodesic_split import geodesic_cost
from sam_pet.readers.stroke import Stroke
from sam_pet.settings import DEFAULTS
from sam_pet.study import Study, Volume

# Tumor and background seeds on the graph: 1 and 2, 0 elsewhere.
Seeds = npt.NDArray[np.int8]
Solve = Callable[[Volume, Seeds, tuple[float, ...]], Bools]

_MARGIN_MM = 40.0
_GROWTHS = 4
_MOST_VOXELS = 150_000
# Parts of the SUVmax near the stroke above which a voxel is a tumor seed and below which a background seed,
# but not this near to a stroke of the other label.
_HOT, _COLD = 0.7, 0.2
_SPARED_MM = 10.0
# Grady 2006 (doi 10.1109/TPAMI.2006.233): the weight of an edge is exp(-beta * (difference / spread)^2).
_BETA = 130.0

_hot_core = region_growing(fraction_of_max(_HOT))


def from_seeds(solve: Solve) -> Segment:
    """Segment with a solver in a window around the tumor strokes, which grows while the mask touches its border."""

    def segment(study: Study, strokes: Sequence[Stroke]) -> Bools:
        tumor = [stroke for stroke in strokes if stroke.label == "tumor"]
        boxes = merged([around(study.grid, stroke, _MARGIN_MM) for stroke in tumor])
        mask = np.zeros(study.grid.shape, bool)
        for _ in range(_GROWTHS):
            mask[:] = False
            for box in boxes:
                mask[box] = _solve_in(box, study, strokes, solve)
            bigger = merged([grown(box, _reaching_border(mask[box]), study.grid, _MARGIN_MM) for box in boxes])
            if bigger == boxes:
                break
            boxes = bigger
        return mask

    return segment


def _solve_in(box: Slices, study: Study, strokes: Sequence[Stroke], solve: Solve) -> Bools:
    pet = np.log1p(np.maximum(study.pet[box], 0))
    spacing = study.grid.spacing[::-1]
    factors = factors_for(pet.shape, spacing, _MOST_VOXELS)
    marks = _seeds(box, study, strokes)
    tumor, background = (coarse((marks == label).astype(np.float32), factors) > 0 for label in (1, 2))
    small = np.where(tumor, 1, np.where(background, 2, 0)).astype(np.int8)
    if not (small == 0).any() or not (small == 1).any():
        alone: Bools = marks == 1
        return alone
    found = solve(coarse(pet, factors), small, tuple(s * k for s, k in zip(spacing, factors, strict=True)))
    return fine(found, factors, pet.shape)


def _seeds(box: Slices, study: Study, strokes: Sequence[Stroke]) -> Seeds:
    grid, pet = study.grid, study.pet[box]
    tumor = [stroke for stroke in strokes if stroke.label == "tumor" and _inside(seeds(study, stroke), box).size]
    level = min((_COLD * hottest(study, stroke)[1] for stroke in tumor), default=0.0)
    marks = np.where(pet < level, 2, 0).astype(np.int8)
    for axis in range(3):
        marks.swapaxes(0, axis)[[0, -1]] = 2
    marks[_hot_core(study, strokes)[box]] = 1
    for stroke in strokes:
        if stroke.kind != "box":
            _forget(marks, box, grid, stroke, 2 if stroke.label == "tumor" else 1)
    for stroke in strokes:
        if stroke.label == "tumor" or stroke.kind != "box":
            marks[tuple(_inside(seeds(study, stroke), box).T)] = 1 if stroke.label == "tumor" else 2
    return marks


def _forget(marks: Seeds, box: Slices, grid: Grid, stroke: Stroke, label: int) -> None:
    """Drop seeds of a label that are near to a stroke."""
    window, close = near(grid, stroke.voxels, _SPARED_MM)
    common = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(window, box, strict=True)]
    if any(c.start >= c.stop for c in common):
        return
    here = tuple(slice(c.start - b.start, c.stop - b.start) for c, b in zip(common, box, strict=True))
    there = tuple(slice(c.start - w.start, c.stop - w.start) for c, w in zip(common, window, strict=True))
    marks[here][close[there] & (marks[here] == label)] = 0


def _inside(indices: npt.NDArray[np.int64], box: Slices) -> npt.NDArray[np.int64]:
    local = indices - [part.start for part in box]
    inside: npt.NDArray[np.int64] = local[
        ((local >= 0) & (local < [part.stop - part.start for part in box])).all(axis=1)
    ]
    return inside


def _reaching_border(mask: Bools) -> Bools:
    """The mask with its second layer from each border spread to the border, which is all background seeds."""
    inner = mask.copy()
    for axis in range(3):
        layers = inner.swapaxes(0, axis)
        if len(layers) > 2:
            layers[0] |= layers[1]
            layers[-1] |= layers[-2]
    return inner


def walk(image: Volume, marks: Seeds, spacing: tuple[float, ...]) -> Bools:
    """Where a random walker reaches tumor seeds before background seeds (Grady 2006)."""
    labels = random_walker(image, marks, beta=_BETA, mode="cg_j", tol=1e-3, prob_tol=0.1, spacing=spacing)
    found: Bools = labels == 1
    return found


def geodesic(image: Volume, marks: Seeds, spacing: tuple[float, ...]) -> Bools:
    """Where the way to tumor seeds is shorter than to background seeds, steps in uptake being long ways."""
    cost = geodesic_cost(image, spacing, DEFAULTS.strokes)
    distances = [MCP_Geometric(cost, sampling=spacing).find_costs(np.argwhere(marks == label))[0] for label in (1, 2)]
    found: Bools = distances[0] < distances[1]
    return found
