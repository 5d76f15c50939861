"""The study of a step, from images that may have faults: what can be mended is mended, and the log says so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import SimpleITK as sitk

from sam_pet.challenge.contract import Inputs
from sam_pet.errors import InputError
from sam_pet.files import read_image
from sam_pet.geometry import Grid
from sam_pet.study import AIR_HU, Study, study_of_images

logger = logging.getLogger(__name__)

# Beyond these a volume is refused as not being in SUV or HU; here it is the one volume that there is.
_SUV = (-50.0, 2000.0)
_HU = (-32768.0, 32767.0)


def read_study_mended(inputs: Inputs, tell: Callable[[str], None] = lambda _: None) -> Study:
    """CT and PET on the grid of the mask; a CT that cannot be used is left out.

    Args:
        inputs: of the step.
        tell: called with what makes the answer less than it should be.

    Raises:
        InputError: the PET cannot be read.
    """
    if inputs.pet is None:
        raise InputError("there is no PET that can be read; put one there")
    pet = _on_grid(_mended(inputs.pet, "PET", _SUV, 0.0), inputs.grid)
    if inputs.ct is not None:
        try:
            ct = _mended(inputs.ct, "CT", _HU, AIR_HU)
            return study_of_images(ct, pet, inputs.ct, inputs.pet)
        except InputError as error:
            logger.warning("the CT is left out: %s", error)
            tell("the CT cannot be used")
    return study_of_images(None, pet, None, inputs.pet)


def _mended(path: Path, what: str, limits: tuple[float, float], missing: float) -> sitk.Image:
    """An image with `missing` for what is not a number, and no voxel beyond the limits."""
    image = read_image(path, what)
    view = sitk.GetArrayViewFromImage(image)
    low, high = float(view.min()), float(view.max())
    if limits[0] <= low and high <= limits[1]:
        return image
    array = sitk.GetArrayFromImage(image).astype(np.float32)
    bad = ~np.isfinite(array)
    logger.warning("%s: %d voxels are not numbers, others reach from %g to %g: mended", what, bad.sum(), low, high)
    array[bad] = missing
    return Grid.of(image).image(np.clip(array, *limits))


def _on_grid(pet: sitk.Image, grid: Grid) -> sitk.Image:
    own = Grid.of(pet)
    if own.same_as(grid):
        return pet
    logger.warning(
        "the PET (%s voxels) is resampled to the grid of the CT (%s), which is the mask's", own.size, grid.size
    )
    return sitk.Resample(
        pet,
        grid.size,
        sitk.Transform(),
        sitk.sitkLinear,
        grid.origin,
        grid.spacing,
        grid.direction,
        0.0,
        sitk.sitkFloat32,
    )
