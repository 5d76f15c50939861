"""A method whose masks are kept, and what each stroke did to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt

from sam_pet.methods.method import AnswersFirst, Mask, Method, MethodSession, index, obey
from sam_pet.readers import Stroke
from sam_pet.scores.lesions import CONNECTIVITY
from sam_pet.study import Study


@dataclass(frozen=True)
class Watched:
    """Keeps the mask before any stroke and after each; with `first`, sessions start from the first answer."""

    method: Method
    first: bool = True
    strokes: list[Stroke] = field(default_factory=list)
    packed: list[npt.NDArray[np.uint8]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.method.name

    @property
    def facts(self) -> Mapping[str, str]:
        return self.method.facts

    def open(self, study: Study) -> MethodSession:
        return _WatchedSession(self, self.method.open(study))

    def answer(self, study: Study) -> MethodSession:
        if not self.first or not isinstance(self.method, AnswersFirst):
            return self.open(study)
        return _WatchedSession(self, self.method.answer(study))

    def keep(self, mask: Mask) -> None:
        self.packed.append(np.packbits(mask, axis=-1))

    def masks(self, width: int) -> list[Mask]:
        """The masks in order, of arrays whose last axis is so long."""
        return [np.unpackbits(mask, axis=-1, count=width) for mask in self.packed]

    def effects(self, truth: Mask) -> list[dict[str, Any]]:
        """Of each stroke: true and false voxels it added and removed, and whether all that was drawn is obeyed."""
        found = []
        for number, (before, after) in enumerate(pairwise(self.masks(truth.shape[-1])), 1):
            removed, added = (before > 0) & (after == 0), (before == 0) & (after > 0)
            drawn = self.strokes[:number]
            found.append(
                {
                    "label": drawn[-1].label,
                    "true_removed": int((removed & (truth > 0)).sum()),
                    "false_removed": int((removed & (truth == 0)).sum()),
                    "false_added": int((added & (truth == 0)).sum()),
                    "obeyed": bool(np.array_equal(obey(after.copy(), drawn), after)),
                }
            )
        return found

    def false_lesions(self, truth: Mask) -> list[dict[str, Any]]:
        """Of each lesion that is no lesion and was stroked: its voxels, the strokes in it, and after how many of them
        all of it was gone (None: not by the last step)."""
        masks = self.masks(truth.shape[-1])
        found: list[dict[str, Any]] = []
        followed = np.zeros(truth.shape, bool)
        for step, stroke in enumerate(self.strokes):
            at = index(stroke)
            if stroke.label != "background" or followed[at].any():
                continue
            parts = cc3d.connected_components(masks[step], connectivity=CONNECTIVITY)
            here = parts[at][parts[at] > 0]
            inside = parts == (np.bincount(here).argmax() if len(here) else -1)
            if not inside.any() or (truth[inside] > 0).any():
                continue
            followed |= inside
            strokes, gone = 0, None
            for later, other in enumerate(self.strokes[step:], step):
                strokes += other.label == "background" and bool(inside[index(other)].any())
                if gone is None and not masks[later + 1][inside].any():
                    gone = strokes
            found.append({"voxels": int(inside.sum()), "first_answer": step == 0, "strokes": strokes, "gone": gone})
        return found


class _WatchedSession:
    def __init__(self, watched: Watched, session: MethodSession) -> None:
        self._watched, self._session = watched, session
        watched.keep(session.mask)

    def add(self, stroke: Stroke) -> None:
        self._session.add(stroke)
        self._watched.strokes.append(stroke)
        self._watched.keep(self._session.mask)

    @property
    def mask(self) -> Mask:
        return self._session.mask
