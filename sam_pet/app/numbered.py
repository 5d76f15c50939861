"""The label map of a session, kept up to date box by box, and the part of it that a window is sent."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.boxes import MaskBox, Slices, bounding_box, overlap
from sam_pet.geometry import AxialOrder
from sam_pet.session.state import Lesions
from sam_pet.study import Study

# Masks shrink to a hundredth at once; more work saves little.
_LEVEL = 1
_GZIP = 31


class NumberedMask:
    """Lesion numbers [z, y, x] on the grid of a study, where two overlap the older one's, as in `Session.labels`."""

    def __init__(self, study: Study) -> None:
        self.order = study.order
        self.labels = np.zeros(study.grid.shape, np.uint16)
        self._axial = self.order.view(self.labels)
        self._lesions: Lesions = {}

    def show(self, lesions: Lesions) -> Slices | None:
        """Show other lesions; the box of the array, as stored, outside which nothing is new, None if nothing is."""
        before, self._lesions = self._lesions, lesions
        changed = [
            lesion.block
            for one, other in ((before, lesions), (lesions, before))
            for number, lesion in one.items()
            if number not in other or other[number].block is not lesion.block
        ]
        if not changed:
            return None
        box = _around(changed)
        corner, shape = (box[2].start, box[1].start, box[0].start), tuple(s.stop - s.start for s in box)
        part = np.zeros(shape, np.uint16)
        for number, lesion in lesions.items():
            shared = overlap(corner, shape, lesion.block.corner, lesion.block.values.shape)
            if shared is not None:
                here = part[shared[0]]
                here[lesion.block.values[shared[1]] & (here == 0)] = number
        if np.array_equal(self._axial[box], part):
            return None
        self._axial[box] = part
        return stored_box(self.order, box)

    def box_of(self, number: int) -> Slices | None:
        """The slices, as stored, that bound a lesion; None where nothing is to be seen of it."""
        lesion = self._lesions.get(number)
        if lesion is None:
            return None
        z, y, x = stored_box(self.order, lesion.block.slices)
        inner = bounding_box(self.labels[z, y, x] == number)
        if inner is None:
            return None
        found = tuple(slice(s.start + i.start, s.start + i.stop) for s, i in zip((z, y, x), inner, strict=True))
        return found[0], found[1], found[2]

    def packed(self, box: Slices | None) -> dict[str, Any]:
        """A box of the labels as a window is sent it; without a box all that is to be seen."""
        whole = bounding_box(self.labels) if box is None else box
        return pack(self.labels[whole], whole) if whole is not None else pack(self.labels[:0, :0, :0], None)


def stored_box(order: AxialOrder, box: Slices) -> Slices:
    """A box of the axial array as one of the stored array."""
    ends = [[s.start for s in box[::-1]], [s.stop - 1 for s in box[::-1]]]
    corners = order.stored(ends)
    low, high = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    z, y, x = (slice(a, b + 1) for a, b in zip(low[::-1], high[::-1], strict=True))
    return z, y, x


def pack(values: npt.NDArray[Any], box: Slices | None) -> dict[str, Any]:
    """Values [z, y, x] and where they lie, as JSON: the first voxel, the size, and gzip in base64."""
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    little = np.ascontiguousarray(values, values.dtype.newbyteorder("<"))
    data = packer.compress(little.tobytes()) + packer.flush()
    low = [0, 0, 0] if box is None else [s.start for s in box[::-1]]
    return {"low": low, "size": list(values.shape[::-1]), "data": base64.b64encode(data).decode()}


def _around(blocks: Iterable[MaskBox]) -> Slices:
    corners = [block.slices for block in blocks]
    low = [min(c[axis].start for c in corners) for axis in range(3)]
    high = [max(c[axis].stop for c in corners) for axis in range(3)]
    z, y, x = (slice(a, b) for a, b in zip(low, high, strict=True))
    return z, y, x
