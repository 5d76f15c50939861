"""A phantom as real studies are at times: with a hot bladder that is drawn out, and cut short."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

from sam_pet.phantom.make import Phantom
from sam_pet.phantom.shapes import smooth_noise
from sam_pet.phantom.tissue import Tissue
from sam_pet.study import Study

# Mean SUV, spread of the logarithms of the axes' lengths, and how uneven uptake is over so many mm.
_HOT, _DRAWN_OUT, _UNEVEN, _UNEVEN_MM = (15.0, 100.0), 0.45, (0.0, 0.4), 20.0
_BLUR_MM = 3.0
# Each end is cut off so often, and by so much at most.
_CUT, _CUT_ABOVE_MM, _CUT_BELOW_MM = 0.5, 250.0, 120.0


def make_atypical(phantom: Phantom) -> Phantom:
    """The phantom with its bladder's uptake raised and in another shape, and without one or both of its ends.

    CT and organs show the bladder as it was, and the facts are those of the whole. Slices must be stored from the feet
    on.

    Examples:
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.phantom import make_atypical
        >>> bool(small_phantom().study.pet.max() < make_atypical(small_phantom()).study.pet.max())
        True
    """
    rng = np.random.default_rng([phantom.facts["seed"], 78])
    return _cut_short(_with_hot_bladder(phantom, rng), rng)


def _with_hot_bladder(phantom: Phantom, rng: np.random.Generator) -> Phantom:
    study, bladder = phantom.study, phantom.organs == Tissue.BLADDER
    if not bladder.any():
        return phantom
    step = np.array(study.grid.spacing[::-1])
    middle = np.argwhere(bladder).mean(axis=0)
    turn = Rotation.random(random_state=int(rng.integers(2**31))).as_matrix()
    axes = rng.normal(0, _DRAWN_OUT, 3)
    back = turn @ np.diag(np.exp(axes.mean() - axes)) @ turn.T * step / step[:, None]
    share = affine_transform(bladder.astype(np.float32), back, middle - back @ middle, order=1)
    share[phantom.lesions > 0] = 0
    share = gaussian_filter(share, _BLUR_MM / step)
    depth, height, width = share.shape
    noise = smooth_noise(rng, (depth, height, width), step.tolist(), _UNEVEN_MM)
    hot = np.exp(rng.uniform(*np.log(_HOT)) + rng.uniform(*_UNEVEN) * noise)
    pet = study.pet + share * np.maximum(hot - study.pet, 0)
    return replace(phantom, study=replace(study, pet=pet.astype(np.float32)))


def _cut_short(phantom: Phantom, rng: np.random.Generator) -> Phantom:
    grid = phantom.study.grid
    below, above = (
        round(float(rng.uniform(0, most) * (rng.random() < _CUT) / grid.spacing[2]))
        for most in (_CUT_BELOW_MM, _CUT_ABOVE_MM)
    )
    return cut_short(phantom, below, above)


def cut_short(phantom: Phantom, below: int, above: int) -> Phantom:
    """The phantom without so many of its first and last stored slices; its facts stay those of the whole."""
    study, grid = phantom.study, phantom.study.grid
    kept = slice(below, grid.size[2] - above)
    x, y, z = (float(v) for v in grid.to_world([(0, 0, below)])[0])
    shorter = replace(grid, size=(*grid.size[:2], kept.stop - kept.start), origin=(x, y, z))
    ct = None if study.ct is None else study.ct[kept]
    return replace(
        phantom, study=Study(study.pet[kept], ct, shorter), lesions=phantom.lesions[kept], organs=phantom.organs[kept]
    )
