"""What a client's image is: PET and CT of a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.study import Study, study_of_images

# No PET in SUV goes so low, and the air of every CT does.
_LOWEST_SUV = -100.0
_HERE = Path("image")


def study_of_array(image: npt.NDArray[Any], properties: Mapping[str, Any]) -> Study:
    """The study in an image of one channel, the PET in SUV, or of two, of which the one with air below -100 is the CT.

    Args:
        image: [channel, z, y, x].
        properties: may hold `spacing` in mm, in the order of the axes z, y, x; also `origin` and `direction`, as
            SimpleITK has them.

    Raises:
        InputError: other channels, a CT without air or a PET that is not in SUV, an unusable spacing.
    """
    if image.ndim != 4 or not 1 <= image.shape[0] <= 2 or not min(image.shape):
        raise InputError("image: give [1, z, y, x] with the PET in SUV, or [2, z, y, x] with PET and CT")
    grid = _grid(image.shape[1:], properties)
    volumes = [np.ascontiguousarray(channel, np.float32) for channel in image]
    if len(volumes) == 2 and float(volumes[0].min()) < _LOWEST_SUV:
        volumes.reverse()
    pet, ct = grid.image(volumes[0]), None if len(volumes) < 2 else grid.image(volumes[1])
    try:
        return study_of_images(ct, pet, None, _HERE)
    except InputError as error:
        raise InputError(str(error).replace(f" {_HERE}", "").replace("None ", "")) from error


def _grid(shape: tuple[int, ...], properties: Mapping[str, Any]) -> Grid:
    z, y, x = shape
    spacing = _numbers(properties, "spacing", 3, (1.0, 1.0, 1.0))[::-1]
    if min(spacing) <= 0:
        raise InputError("image_properties: the spacing must be above 0 mm")
    origin = _numbers(properties, "origin", 3, (0.0, 0.0, 0.0))
    direction = _numbers(properties, "direction", 9, Grid((1, 1, 1)).direction)
    if abs(abs(float(np.linalg.det(np.reshape(direction, (3, 3))))) - 1.0) > 0.01:
        raise InputError("image_properties: the direction is no rotation; correct it")
    return Grid((x, y, z), (spacing[0], spacing[1], spacing[2]), (origin[0], origin[1], origin[2]), direction)


def _numbers(properties: Mapping[str, Any], key: str, count: int, default: tuple[float, ...]) -> tuple[float, ...]:
    given = properties.get(key)
    if given is None:
        return default
    try:
        values = tuple(float(value) for value in np.ravel(given))
    except (TypeError, ValueError) as error:
        raise InputError(f"image_properties: {key} must be {count} numbers") from error
    if len(values) != count or not np.isfinite(values).all():
        raise InputError(f"image_properties: {key} must be {count} numbers")
    return values
