"""The box reader: boxes on axial slices, and a click where a box cannot say what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import distance_transform_edt

from sam_pet.readers.regions import Bools, CrossSection, component_at, errors, largest_cross_section
from sam_pet.readers.stroke import Mask, Stroke
from sam_pet.study import Study


@dataclass(frozen=True)
class BoxReader:
    """Opens with a box round the largest cross-section of the truth. What is missing most is boxed: the true
    component on that slice that holds it; on what is too much goes a background click at its deepest pixel,
    since a box cannot take away."""

    name: str = "box"

    def first(self, truth: Mask, study: Study | None) -> Stroke | None:  # noqa: ARG002
        section = largest_cross_section(truth > 0)
        return None if section is None else _box(section)

    def correct(self, prediction: Mask, truth: Mask, study: Study | None, step: int) -> Stroke | None:  # noqa: ARG002
        over, under = (largest_cross_section(error) for error in errors(prediction, truth))
        if under is not None and (over is None or under.area >= over.area):
            return _box(_whole(under, truth > 0))
        return None if over is None else _click_off(over)


def _whole(part: CrossSection, truth: Bools) -> CrossSection:
    x, y, _ = part.voxels(np.argwhere(part.mask))[0].tolist()
    return component_at(truth[part.z], (x, y), part.z)


def _box(section: CrossSection) -> Stroke:
    voxels = section.voxels(np.argwhere(section.mask))
    return Stroke("tumor", np.array([voxels.min(axis=0), voxels.max(axis=0)]), "box")


def _click_off(section: CrossSection) -> Stroke:
    depth = distance_transform_edt(np.pad(section.mask, 1))
    x, y = np.unravel_index(int(depth.argmax()), depth.shape)
    return Stroke("background", section.voxels(np.array([[x - 1, y - 1]])), "click")
