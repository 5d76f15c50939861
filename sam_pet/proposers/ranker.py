"""The outline of a new lesion: the one that trees expect to fit best."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import xgboost
from pydantic import BaseModel, ConfigDict, Field

from sam_pet.errors import InputError
from sam_pet.files import write_json
from sam_pet.proposers.outline_features import NAMES, Floats
from sam_pet.proposers.volume_input import WIDTHS_MM
from sam_pet.trees import from_text, predict, to_text

# How much less is expected of an outline with a background stroke in it, and which part of its Dice must be expected of
# one that takes its place: where all others are far worse, the mask is left to the strokes.
_DENIED, _BELIEVABLE = 0.15, 0.4
# Networks' masks have 0, -1, -2... in place of a level: the model's, then the contours from the narrowest cube on.
_LEVEL = NAMES.index("level")


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    features: list[str]
    trees: str
    margin: float = Field(ge=0)
    training: dict[str, Any]


@dataclass(frozen=True)
class Chooser:
    """Trees that expect a Dice of each outline, as stored beside a checkpoint in `chooser.json`.

    The contour in the widest cube has to be better than the others by more than `margin`: it draws the largest lesions,
    few of which it has learned from, and is trusted too much where it has seen those that the trees learned from.
    """

    content: _Content

    @classmethod
    def make(cls, trees: xgboost.Booster, margin: float, training: dict[str, Any]) -> Self:
        return cls(_Content(features=list(NAMES), trees=to_text(trees), margin=margin, training=training))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The chooser in a file.

        Raises:
            InputError: it is damaged, or of another version of the features.
        """
        try:
            chooser = cls(_Content.model_validate_json(path.read_text(encoding="utf-8")))
            _ = chooser._trees
        except ValueError as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{path} does not choose outlines ({reason}); train or fetch it again") from error
        if chooser.content.features != list(NAMES):
            raise InputError(f"{path} was trained on other features; train it again with sam-pet train")
        return chooser

    def write(self, path: Path) -> None:
        write_json(self.content.model_dump(mode="json"), path)

    def choose(self, features: Floats, denied: npt.ArrayLike = 0) -> int:
        """The best of outlines from their features (n, `NAMES`).

        `denied` says how many background strokes lie in each (n,).
        """
        expected = self.expect(features)
        first = int(self.best(expected, features, self.content.margin))
        denials = np.asarray(denied, np.float32)
        chosen = int(self.best(expected - _DENIED * denials, features, self.content.margin))
        return chosen if expected[chosen] >= _BELIEVABLE * expected[first] else first

    def expect(self, features: Floats) -> Floats:
        """The Dice (n,) that is expected of outlines with these features (n, `NAMES`)."""
        return predict(self._trees, features)

    @staticmethod
    def best(expected: Floats, features: Floats, margin: float) -> npt.NDArray[np.int64]:
        """Which outline (...) to take, from the Dice expected of each (..., outlines) and their features."""
        widest = features[..., _LEVEL] == -len(WIDTHS_MM)
        best: npt.NDArray[np.int64] = (expected - margin * widest).argmax(axis=-1)
        return best

    @cached_property
    def _trees(self) -> xgboost.Booster:
        return from_text(self.content.trees)
