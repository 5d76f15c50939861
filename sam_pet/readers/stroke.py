"""One correction as a reader gives it, and what a reader is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np
import numpy.typing as npt

from sam_pet.prompts import Box, Click, Label, Prompt, Rejection, Scribble, Voxels, box, click, scribble
from sam_pet.study import Study

Kind = Literal["click", "scribble", "box", "rejection"]
Mask = npt.NDArray[np.bool_] | npt.NDArray[np.uint8]

_KINDS: dict[type[Prompt], Kind] = {Click: "click", Scribble: "scribble", Box: "box", Rejection: "rejection"}


@dataclass(frozen=True, eq=False)
class Stroke:
    """What a reader drew: voxels (x, y, z), shape (n, 3), all of one label.

    A click is one voxel; a box is two, its opposite corners, both inside it; a rejection is one voxel of a lesion that
    is none, which methods that know no rejection take for a background click.

    Examples:
        >>> from sam_pet import Click
        >>> from sam_pet.readers import Stroke
        >>> Stroke.of(Click((5, 5, 2))).kind
        'click'
    """

    label: Label
    voxels: Voxels
    kind: Kind = "scribble"

    def __post_init__(self) -> None:
        voxels = np.asarray(self.voxels, np.int64)
        if voxels.ndim != 2 or voxels.shape[1] != 3 or len(voxels) == 0:
            raise ValueError(f"a stroke has voxels of shape (n, 3), not {voxels.shape}")
        object.__setattr__(self, "voxels", voxels)

    @classmethod
    def of(cls, prompt: Prompt) -> Self:
        return cls(prompt.label, prompt.voxels, _KINDS[type(prompt)])

    @property
    def prompt(self) -> Prompt:
        """The same as a session takes it."""
        if self.kind == "box":
            return box(*self.voxels)
        if self.kind == "rejection":
            return Rejection(click(self.voxels[0]).voxel)
        return click(self.voxels[0], self.label) if self.kind == "click" else scribble(self.voxels, self.label)


class Reader(Protocol):
    """Who corrects. A reader has no memory: the same arguments give the same stroke, so a run can be resumed."""

    @property
    def name(self) -> str: ...

    def first(self, truth: Mask, study: Study | None) -> Stroke | None:
        """The prompt that opens a case started with a click; None if the truth is empty."""

    def correct(self, prediction: Mask, truth: Mask, study: Study | None, step: int) -> Stroke | None:
        """Correction number `step` (from 1) of a prediction; None if there is nothing to correct.

        Masks are arrays [z, y, x] of one shape holding 0 and 1; `study` is on the same grid.
        """
