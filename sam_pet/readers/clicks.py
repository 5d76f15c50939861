"""Click readers: one voxel of the largest 3-D component of the error, be it missing or too much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from sam_pet.errors import InputError
from sam_pet.prompts import Voxels
from sam_pet.readers.regions import Region, largest_error, largest_region
from sam_pet.readers.stroke import Mask, Stroke
from sam_pet.study import Study


def center(region: Region, study: Study | None, generator: np.random.Generator) -> Voxels:  # noqa: ARG001
    """The voxel farthest from the region's outside, in mm if there is a study, else in voxels."""
    spacing = (1.0, 1.0, 1.0) if study is None else study.grid.spacing
    depth = distance_transform_edt(np.pad(region.mask, 1), sampling=spacing[::-1])
    z, y, x = np.unravel_index(int(depth.argmax()), depth.shape)
    return region.voxel((int(z) - 1, int(y) - 1, int(x) - 1))


def hottest(region: Region, study: Study | None, generator: np.random.Generator) -> Voxels:  # noqa: ARG001
    """The voxel of highest SUV.

    Raises:
        InputError: there is no study.
    """
    if study is None:
        raise InputError("the reader click-hottest looks at the PET: give it the study")
    x, y, z = region.corner
    nz, ny, nx = region.mask.shape
    pet = np.where(region.mask, study.pet[z : z + nz, y : y + ny, x : x + nx], -np.inf)
    index = np.unravel_index(int(pet.argmax()), pet.shape)
    return region.voxel(tuple(map(int, index)))


def anywhere(region: Region, study: Study | None, generator: np.random.Generator) -> Voxels:  # noqa: ARG001
    """Any voxel of the region, all as likely."""
    voxels = np.argwhere(region.mask)
    return region.voxel(tuple(voxels[generator.integers(len(voxels))].tolist()))


PLACES: dict[str, Callable[[Region, Study | None, np.random.Generator], Voxels]] = {
    "center": center,
    "hottest": hottest,
    "random": anywhere,
}


@dataclass(frozen=True)
class ClickReader:
    """Clicks at a place (a key of `PLACES`) of the largest lesion, then of the largest error."""

    place: str
    seed: int = 0

    @property
    def name(self) -> str:
        return f"click-{self.place}"

    def first(self, truth: Mask, study: Study | None) -> Stroke | None:
        return self._click(largest_region(truth > 0, "tumor"), study, 0)

    def correct(self, prediction: Mask, truth: Mask, study: Study | None, step: int) -> Stroke | None:
        return self._click(largest_error(prediction, truth), study, step)

    def _click(self, region: Region | None, study: Study | None, step: int) -> Stroke | None:
        if region is None:
            return None
        voxels = PLACES[self.place](region, study, np.random.default_rng([self.seed, step]))
        return Stroke(region.label, voxels, "click")
