"""One client's work: objects of one image, one after the other, as lesions of a session."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.app.door.images import study_of_array
from sam_pet.app.problems import AppError
from sam_pet.boxes import Slices, bounding_box
from sam_pet.errors import InputError
from sam_pet.prompts import Prompt, Voxels, box, click, scribble
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session

Bounds = list[list[int]]
Array = npt.NDArray[Any]


class MalformedError(AppError):
    """A call that the protocol does not know."""

    status = 400


class ObjectSession:
    """The image and the objects of one client.

    An object is a lesion: its first positive interaction starts it, later ones act on it alone, and `reset` goes on to
    the next object. What was drawn as background for one holds for the others too, as in every session.
    """

    def __init__(self, segmenter: Segmenter) -> None:
        self.lock = threading.Lock()
        self.used = self.seen = time.monotonic()
        self._segmenter = segmenter
        self._session: Session | None = None
        self._lesion = 1

        self._queued: list[tuple[Prompt, ...]] = []
        self._shown: Array | None = None
        self._undo: list[int] = []

    def set_image(self, image: Array, properties: Mapping[str, Any]) -> list[int]:
        """Take an image; its shape [z, y, x] comes back with the channels before it."""
        study = study_of_array(image, properties)
        self._session = self._segmenter.open(study)
        self._lesion, self._queued, self._undo = 1, [], []
        self._shown = np.zeros(study.grid.shape, np.uint8)
        return list(image.shape)

    def require_buffer(self, shape: Sequence[int]) -> None:
        """Raise a MalformedError if a target buffer does not fit on the image."""
        if tuple(shape) != self._opened().study.grid.shape:
            raise MalformedError("the target buffer has another shape than the image")

    def reset(self) -> None:
        """Go on to the next object."""
        session = self._opened()
        self._lesion = max([self._lesion, *session.state.lesions]) + 1

        self._queued, self._undo = [], []
        self._shown = np.zeros(session.study.grid.shape, np.uint8)

    def point(self, place: Sequence[int], positive: bool) -> tuple[Prompt, ...]:
        return (click(_voxel(place), _label(positive)),)

    def box(self, bounds: Sequence[Sequence[int]], positive: bool) -> tuple[Prompt, ...]:
        """A box, half-open along each axis z, y, x; a negative one says that nothing in it belongs to the object."""
        shape = self._opened().study.grid.shape
        if len(bounds) != 3 or any(len(pair) != 2 for pair in bounds):
            raise MalformedError("a box has three pairs of numbers, one an axis")
        low = np.array([max(int(min(pair)), 0) for pair in bounds])
        high = np.minimum([max(int(max(pair)), int(min(pair)) + 1) for pair in bounds], shape)
        if (high <= low).any():
            raise MalformedError("the box lies outside the image")
        if positive:
            return (box(low[::-1].tolist(), (high - 1)[::-1].tolist()),)
        inside = np.stack(np.meshgrid(*map(np.arange, low, high), indexing="ij"), axis=-1).reshape(-1, 3)
        return self._background_within(inside[:, ::-1])

    def scribble(self, drawn: Array, bounds: Bounds | None, positive: bool) -> tuple[Prompt, ...]:
        voxels = self._drawn(drawn, bounds)
        return (scribble(voxels, _label(positive)),) if len(voxels) else ()

    def lasso(self, drawn: Array, bounds: Bounds | None, positive: bool) -> tuple[Prompt, ...]:
        """A loop round something: a positive one is the box about it, a negative one takes what it holds away."""
        voxels = self._drawn(drawn, bounds)
        if not len(voxels):
            return ()
        if positive:
            return (box(voxels.min(axis=0).tolist(), voxels.max(axis=0).tolist()),)
        return self._background_within(voxels)

    def add(self, prompts: tuple[Prompt, ...], run: bool) -> Bounds | None:
        """Take an interaction; the box of what has changed, None if nothing has or it waits to be run."""
        self._queued.append(prompts)
        return self.predict() if run else None

    def predict(self) -> Bounds | None:
        """Act on the interactions that wait."""
        session = self._opened()
        queued, self._queued = self._queued, []
        for prompts in queued:
            before = session.steps[0]
            for prompt in prompts:
                # Before there is an object nothing can be taken from it.
                if prompt.label == "tumor" or self._lesion in session.state.lesions:
                    session.add(prompt, self._lesion)
            self._undo.append(session.steps[0] - before)
        return self._changed()

    def begin_with(self, mask: Array) -> Bounds | None:
        """Make a mask the object; later interactions correct it."""
        session = self._opened()
        if mask.shape != session.study.grid.shape:
            raise MalformedError("the initial segmentation has another shape than the image")
        voxels = np.argwhere(mask > 0)[:, ::-1]
        if len(voxels):
            before = session.steps[0]
            session.redraw(self._lesion, voxels)
            self._undo.append(session.steps[0] - before)
        return self._changed()

    def undo(self) -> tuple[bool, Bounds | None]:
        """Take the last interaction on this object back: whether there was one, and the box of what has changed."""
        session = self._opened()
        if self._queued:
            self._queued.pop()
            return True, None
        if not self._undo:
            return False, None
        for _ in range(self._undo.pop()):
            session.undo()
        return True, self._changed()

    def part(self, bounds: Bounds) -> Array:
        """The object's mask in a box."""
        assert self._shown is not None
        z, y, x = (slice(a, b) for a, b in bounds)
        return self._shown[z, y, x]

    def _opened(self) -> Session:
        if self._session is None:
            raise MalformedError("no image: call set_image first")
        return self._session

    def _changed(self) -> Bounds | None:
        session = self._opened()
        assert self._shown is not None
        mask = np.zeros(session.study.grid.shape, np.uint8)
        lesion = session.state.lesions.get(self._lesion)
        if lesion is not None:
            session.study.order.view(mask)[lesion.block.slices][lesion.block.values] = 1
        box_ = bounding_box(mask != self._shown)
        self._shown = mask
        return None if box_ is None else _bounds(box_)

    def _drawn(self, drawn: Array, bounds: Bounds | None) -> Voxels:
        """The voxels (n, 3) of an interaction's picture, which may be that of a box alone."""
        shape = self._opened().study.grid.shape
        corner = np.zeros(3, np.int64) if bounds is None else np.array([pair[0] for pair in bounds], np.int64)
        if drawn.ndim != 3 or (bounds is None and drawn.shape != shape):
            raise MalformedError("the picture of the interaction has another shape than the image")
        voxels: Voxels = (np.argwhere(drawn > 0) + corner)[:, ::-1]
        return voxels

    def _background_within(self, voxels: Voxels) -> tuple[Prompt, ...]:
        """A background stroke of those voxels that the object holds."""
        assert self._shown is not None
        held = voxels[self._shown[tuple(voxels.T[::-1])] > 0]
        return (scribble(held, "background"),) if len(held) else ()


def _bounds(found: Slices) -> Bounds:
    return [[s.start, s.stop] for s in found]


def _label(positive: bool) -> str:
    return "tumor" if positive else "background"


def _voxel(place: Sequence[int]) -> list[int]:
    if len(place) != 3:
        raise InputError("point: three coordinates are needed; give them")
    return [int(value) for value in place[::-1]]
