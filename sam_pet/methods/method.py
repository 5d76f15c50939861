"""What a method is: anything that turns a study and a reader's strokes into a mask. No method ever sees the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from sam_pet.readers.stroke import Stroke
from sam_pet.study import Study

Mask = npt.NDArray[np.uint8]
Bools = npt.NDArray[np.bool_]
Segment = Callable[[Study, Sequence[Stroke]], npt.NDArray[Any]]


class MethodSession(Protocol):
    """One study being segmented."""

    def add(self, stroke: Stroke) -> None:
        """Take one more stroke."""

    @property
    def mask(self) -> Mask:
        """The mask after all strokes so far: uint8 [z, y, x] of 0 and 1 on the grid of the study."""


class Method(Protocol):
    """A way to segment, ready to be used on any number of studies.

    `facts` go into a run's manifest: what the method's results depend on beside the code, such as the SHA-256 of
    its weights.
    """

    @property
    def name(self) -> str: ...

    @property
    def facts(self) -> Mapping[str, str]: ...

    def open(self, study: Study) -> MethodSession: ...


@runtime_checkable
class AnswersFirst(Protocol):
    """A method that finds lesions without a stroke, where a case starts from nothing."""

    def answer(self, study: Study) -> MethodSession:
        """A session whose mask is already the first answer."""


@dataclass(frozen=True)
class StrokesMethod:
    """A method without memory: `segment` is given the study and all strokes so far, at least one of them tumor,
    and returns what is not 0 in the mask. The drawn voxels are seen to here."""

    name: str
    segment: Segment
    facts: Mapping[str, str] = field(default_factory=dict)

    def open(self, study: Study) -> MethodSession:
        return _StrokesSession(study, self.segment)


class _StrokesSession:
    def __init__(self, study: Study, segment: Segment) -> None:
        self._study = study
        self._segment = segment
        self._strokes: list[Stroke] = []
        self._mask: Mask | None = np.zeros(study.grid.shape, np.uint8)

    def add(self, stroke: Stroke) -> None:
        self._strokes.append(stroke)
        self._mask = None

    @property
    def mask(self) -> Mask:
        if self._mask is None:
            found = np.zeros(self._study.grid.shape, np.uint8)
            if any(stroke.label == "tumor" for stroke in self._strokes):
                found[self._segment(self._study, self._strokes) > 0] = 1
            self._mask = obey(found, self._strokes)
        return self._mask


def index(stroke: Stroke) -> tuple[npt.NDArray[np.int64], ...]:
    """The voxels of a stroke as an index into an array [z, y, x]."""
    return tuple(stroke.voxels.T[::-1])


def obey(mask: Mask, strokes: Sequence[Stroke]) -> Mask:
    """Set what was drawn, in place: tumor voxels are in the mask, background voxels are not, the later stroke wins.

    A box draws no voxels.

    Examples:
        >>> import numpy as np
        >>> from sam_pet import Click
        >>> from sam_pet.methods import obey
        >>> from sam_pet.readers import Stroke
        >>> int(obey(np.ones((4, 4, 4), np.uint8), [Stroke.of(Click((1, 2, 3), "background"))]).sum())
        63
    """
    for stroke in strokes:
        if stroke.kind != "box":
            mask[index(stroke)] = stroke.label == "tumor"
    return mask


def drawn(shape: tuple[int, ...], strokes: Sequence[Stroke]) -> npt.NDArray[np.int8]:
    """An array [z, y, x] of 1 where tumor was drawn, -1 where background was, and 0 elsewhere."""
    marks = np.zeros(shape, np.int8)
    for stroke in strokes:
        if stroke.kind != "box":
            marks[index(stroke)] = 1 if stroke.label == "tumor" else -1
    return marks
