"""What a reader's corrections cost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sam_pet.readers.stroke import Stroke


@dataclass(frozen=True)
class Effort:
    """Interactions made, voxels drawn (a box draws none), and degrees of freedom.

    Degrees of freedom are counted as in RadioActive's table of prompting schemes (github.com/MIC-DKFZ/radioactive:
    five points are 5, three boxes 6): a click is 1, a box 2, its corners. A drawn stroke, for which it has no
    number, is 2, its ends, and 1 if it is a single voxel.

    Examples:
        >>> from sam_pet.readers import Effort
        >>> Effort(interactions=2).voxels
        0
    """

    interactions: int = 0
    voxels: int = 0
    degrees_of_freedom: int = 0


def effort(strokes: Iterable[Stroke]) -> Effort:
    """The effort of all strokes together.

    Examples:
        >>> from sam_pet import Click, Scribble
        >>> from sam_pet.readers import Stroke, effort
        >>> effort([Stroke.of(Click((5, 5, 2))), Stroke.of(Scribble(((5, 5, 2), (6, 5, 2))))])
        Effort(interactions=2, voxels=3, degrees_of_freedom=3)
    """
    given = list(strokes)
    return Effort(
        interactions=len(given),
        voxels=sum(len(stroke.voxels) for stroke in given if stroke.kind != "box"),
        degrees_of_freedom=sum(min(2, len(stroke.voxels)) for stroke in given),
    )
