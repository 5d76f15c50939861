"""Methods that segment one object at a time: which object a stroke is about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from sam_pet.methods.method import Bools, Mask, index, obey
from sam_pet.methods.near import near
from sam_pet.readers.stroke import Stroke
from sam_pet.study import Study

# A tumor stroke this near to an object's mask is about that object.
NEIGHBOURHOOD_MM = 5.0


class OneObject(Protocol):
    """One object of a study."""

    def add(self, stroke: Stroke) -> Bools:
        """Take one more stroke and return the object's whole mask [z, y, x]."""


class ObjectsSession:
    """A tumor stroke goes to the object whose mask it touches or is next to, else it starts a new one; a background
    stroke goes to every object whose mask it touches, and acts on nothing elsewhere."""

    def __init__(self, study: Study, start: Callable[[], OneObject]) -> None:
        self._study = study
        self._start = start
        self._objects: list[tuple[OneObject, Bools]] = []
        self._strokes: list[Stroke] = []

    def add(self, stroke: Stroke) -> None:
        self._strokes.append(stroke)
        concerned = [i for i, (_, mask) in enumerate(self._objects) if self._concerns(stroke, mask)]
        if stroke.label == "tumor":
            if not concerned:
                self._objects.append((self._start(), np.zeros(self._study.grid.shape, bool)))
                concerned = [len(self._objects) - 1]
            concerned = concerned[:1]
        for i in concerned:
            segmenter, _ = self._objects[i]
            self._objects[i] = segmenter, segmenter.add(stroke)

    def _concerns(self, stroke: Stroke, mask: Bools) -> bool:
        if stroke.label == "background":
            return bool(mask[index(stroke)].any())
        window, close = near(self._study.grid, stroke.voxels, NEIGHBOURHOOD_MM)
        return bool(mask[window][close].any())

    @property
    def mask(self) -> Mask:
        found = np.zeros(self._study.grid.shape, np.uint8)
        for _, mask in self._objects:
            found[mask] = 1
        return obey(found, self._strokes)
