"""Where a prediction is wrong, and its largest piece: across one axial slice, or in 3-D."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt

from sam_pet.boxes import bounding_box, span
from sam_pet.prompts import Label, Voxels
from sam_pet.readers.stroke import Mask

Bools = npt.NDArray[np.bool_]


def errors(prediction: Mask, truth: Mask) -> tuple[Bools, Bools]:
    """The over- and the under-segmented voxels of a prediction; all arrays [z, y, x]."""
    if prediction.shape != truth.shape:
        raise ValueError(f"prediction of shape {prediction.shape} and truth of shape {truth.shape} differ")
    return prediction > truth, prediction < truth


@dataclass(frozen=True, eq=False)
class CrossSection:
    """A 2-D 8-connected component: `mask` is indexed [x, y] from (x, y) = `corner`, on slice z."""

    mask: npt.NDArray[np.uint8]
    corner: tuple[int, int]
    z: int

    @property
    def area(self) -> int:
        return int(np.count_nonzero(self.mask))

    def voxels(self, pixels: npt.NDArray[Any]) -> Voxels:
        """Voxels (x, y, z) of pixels (x, y) counted from the corner."""
        n = len(pixels)
        return np.column_stack([np.asarray(pixels, np.int64) + self.corner, np.full(n, self.z)])


def largest_cross_section(mask: Bools) -> CrossSection | None:
    """The largest 2-D component of all axial slices; the first slice wins ties. None for an empty mask."""
    counts = [np.count_nonzero(plane) for plane in mask]
    best: CrossSection | None = None
    best_area = 0
    # Fullest slices first: most others then need no labelling.
    for z in sorted(np.flatnonzero(counts).tolist(), key=lambda z: (-counts[z], z)):
        if counts[z] < best_area:
            break
        section = _largest_in_plane(mask[z], z)
        area = section.area
        if best is None or area > best_area or (area == best_area and z < best.z):
            best, best_area = section, area
    return best


def component_at(plane: Bools, pixel: tuple[int, int], z: int) -> CrossSection:
    """The 2-D component of a slice [y, x] that holds a pixel (x, y)."""
    labels, corner = _label_plane(plane)
    label = labels[pixel[0] - corner[0], pixel[1] - corner[1]]
    return CrossSection((labels == label).astype(np.uint8), corner, z)


def _largest_in_plane(plane: Bools, z: int) -> CrossSection:
    labels, corner = _label_plane(plane)
    largest = int(np.bincount(labels.ravel(order="K"))[1:].argmax()) + 1
    return CrossSection((labels == largest).astype(np.uint8), corner, z)


def _label_plane(plane: Bools) -> tuple[npt.NDArray[Any], tuple[int, int]]:
    # One pixel of margin, so that the crop's edge is not taken for the image's.
    y, x = span(plane, 0, margin=1), span(plane, 1, margin=1)
    if y is None or x is None:
        raise ValueError("nothing is marked on this slice")
    # uint8 [x, y] with x fastest in memory, as a NIfTI mask is: equal areas are decided by the order of the
    # labels, which cc3d gives in the order of memory (and not so for bool).
    crop = plane[y, x].astype(np.uint8, order="C").T
    return cc3d.connected_components(crop, connectivity=8), (x.start, y.start)


@dataclass(frozen=True, eq=False)
class Region:
    """A 3-D 26-connected component: `mask` [z, y, x] from voxel (x, y, z) = `corner`."""

    mask: Bools
    corner: tuple[int, int, int]
    label: Label

    def voxel(self, index: tuple[int, ...]) -> Voxels:
        """The voxel (x, y, z), shape (1, 3), of an index [z, y, x] into `mask`."""
        return np.array([index[::-1]], np.int64) + self.corner


def largest_region(mask: Bools, label: Label) -> Region | None:
    """The largest 3-D component; the first in raster order wins ties. None for an empty mask."""
    window = bounding_box(mask)
    if window is None:
        return None
    labels = cc3d.connected_components(mask[window].astype(np.uint8, order="C"), connectivity=26)
    found = cc3d.statistics(labels)
    largest = int(found["voxel_counts"][1:].argmax()) + 1
    box = found["bounding_boxes"][largest]
    z, y, x = (outer.start + inner.start for outer, inner in zip(window, box, strict=True))
    return Region(labels[box] == largest, (x, y, z), label)


def largest_error(prediction: Mask, truth: Mask) -> Region | None:
    """The largest 3-D component of what is missing or too much; missing wins ties. None for no error."""
    over, under = errors(prediction, truth)
    missing, excess = largest_region(under, "tumor"), largest_region(over, "background")
    if missing is None or excess is None:
        return missing or excess
    return missing if np.count_nonzero(missing.mask) >= np.count_nonzero(excess.mask) else excess
