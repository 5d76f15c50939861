"""Whole axial slices as a 2-D model takes them, and strokes and masks to and from its pixels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sam_pet.methods.method import Bools
from sam_pet.readers.stroke import Stroke
from sam_pet.sam2.clips import Clip
from sam_pet.sam2.points import spread_points
from sam_pet.study import Study, Volume

POINTS_A_STROKE = 8

# Pixels (n, 2) as (u, v) and SAM's labels (n,): 1 tumor, 0 background, 2 and 3 the corners of a box.
SlicePoints = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]


class WholeSlices:
    """The slices of a study as square images of `size` pixels; the shorter side is padded."""

    def __init__(self, study: Study, size: int) -> None:
        self.study = study
        depth, rows, columns = study.axial_pet.shape
        x, y, _ = study.frame_spacing
        center = ((columns - 1) / 2, (rows - 1) / 2)
        self.clip = Clip(center, max(columns * x, rows * y), size, (x, y), 0, depth - 1)

    @property
    def depth(self) -> int:
        return self.clip.last + 1

    def points(self, stroke: Stroke) -> dict[int, SlicePoints]:
        """A stroke as at most `POINTS_A_STROKE` points on each slice that it crosses."""
        voxels = self.study.order.voxels(stroke.voxels)
        if stroke.kind == "box":
            corners = np.array([voxels.min(axis=0), voxels.max(axis=0)])
            middle = int(corners[:, 2].mean())
            return {middle: (self.clip.to_pixels(corners), np.array([2, 3]))}
        found = {}
        for z in np.unique(voxels[:, 2]).tolist():
            drawn = spread_points(voxels[voxels[:, 2] == z], POINTS_A_STROKE)
            found[z] = (self.clip.to_pixels(drawn), np.full(len(drawn), int(stroke.label == "tumor")))
        return found

    def mask(self, logits: Mapping[int, Volume]) -> Bools:
        """The stored mask [z, y, x] of logits (s, s) by slice; slices without are empty."""
        mask = np.zeros(self.study.grid.shape, bool)
        axial = self.study.order.view(mask)
        for z, plane in logits.items():
            values, window = self.clip.restore(plane[None], axial.shape[1:])
            axial[(z, *window)] = values[0] > 0
        return mask
