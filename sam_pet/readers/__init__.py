"""Simulated readers: who looks at a prediction, knows the truth, and gives the next correction."""

from __future__ import annotations

from pathlib import Path

from sam_pet.errors import InputError
from sam_pet.readers.box import BoxReader
from sam_pet.readers.clicks import PLACES, ClickReader
from sam_pet.readers.effort import Effort, effort
from sam_pet.readers.replay import ReplayReader
from sam_pet.readers.scribbles import (
    CHALLENGE_SEED,
    STRATEGIES,
    ScribbleReader,
    draw_scribble,
    mixed_strategy,
)
from sam_pet.readers.stroke import Reader, Stroke

__all__ = [
    "CHALLENGE_SEED",
    "READERS",
    "STRATEGIES",
    "Effort",
    "Reader",
    "Stroke",
    "draw_scribble",
    "effort",
    "make_reader",
]

READERS = (
    *(f"scribble-{strategy}" for strategy in STRATEGIES),
    "scribble-mixed",
    *(f"click-{place}" for place in PLACES),
    "box",
    "replay:FILE",
)


def make_reader(name: str, case_name: str, seed: int = CHALLENGE_SEED) -> Reader:
    """The reader of a name in `READERS` for one case.

    Args:
        name: `replay:FILE` takes the prompts of a file.
        case_name: decides the strategy of `scribble-mixed`.
        seed: of every random draw.

    Raises:
        InputError: unknown name, or no such file.

    Examples:
        >>> import numpy as np
        >>> from sam_pet.readers import make_reader
        >>> from sam_pet.demo import small_phantom
        >>> phantom = small_phantom()
        >>> truth = (phantom.lesions > 0).astype(np.uint8)
        >>> reader = make_reader("click-center", "case")
        >>> reader.first(truth, phantom.study).kind
        'click'
    """
    kind, _, choice = name.partition("-")
    if name == "scribble-mixed":
        return ScribbleReader(mixed_strategy(case_name), seed)
    if kind == "scribble" and choice in STRATEGIES:
        return ScribbleReader(choice, seed)
    if kind == "click" and choice in PLACES:
        return ClickReader(choice, seed)
    if name == "box":
        return BoxReader()
    if name.startswith("replay:"):
        return ReplayReader(Path(name.removeprefix("replay:")))
    raise InputError(f"unknown reader {name!r}; known are {', '.join(READERS)}")
