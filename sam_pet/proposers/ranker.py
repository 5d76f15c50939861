"""The ranker: trees that expect the Dice of each outline that a lesion may have, at first and after each stroke."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from sam_pet.errors import InputError
from sam_pet.files import write_json
from sam_pet.proposers.first_features import FIRST_NAMES, SHARED, Floats
from sam_pet.proposers.revisions import CORRECTED, Revised
from sam_pet.proposers.stroke_features import GAINS_NOTHING, STROKE_NAMES, describe_revisions
from sam_pet.study import Study
from sam_pet.trees import Trees, from_text, to_text

if TYPE_CHECKING:
    import xgboost

# What was known of an outline at the first prompt, and what is known of it after a stroke.
NAMES = (*(f"first_{name}" for name in FIRST_NAMES), *(f"stroke_{name}" for name in STROKE_NAMES))
TUMOR = NAMES.index("stroke_tumor")
_GAINED = NAMES.index("stroke_gained")


class RankerContent(BaseModel):
    """What the file holds: the names of the features, the trees, a margin of the expected Dice, and facts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: list[str]
    trees: str
    margin: float = Field(ge=0)
    training: dict[str, Any]


@dataclass(frozen=True)
class OutlineRanker:
    """Trees that expect the Dice of outlines described by `NAMES`, as stored beside a checkpoint in `ranker.json`.

    At a first prompt the outline of which most is expected is taken. After a stroke it takes the place of the corrected
    one where it is expected to be better by more than `margin`.
    """

    content: RankerContent

    @classmethod
    def make(cls, trees: xgboost.Booster, margin: float, training: dict[str, Any]) -> Self:
        return cls(RankerContent(features=list(NAMES), trees=to_text(trees), margin=margin, training=training))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The ranker in a file.

        Raises:
            InputError: it is damaged, or of another version of the features.
        """
        try:
            ranker = cls(RankerContent.model_validate_json(path.read_text(encoding="utf-8")))
            _ = ranker._trees
        except ValueError as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{path} does not rank outlines ({reason}); train or fetch it again") from error
        if ranker.content.features != list(NAMES):
            raise InputError(f"{path} was trained on other features; train it again with sam-pet train")
        return ranker

    def write(self, path: Path) -> None:
        write_json(self.content.model_dump(mode="json"), path)

    def expect(self, features: Floats) -> Floats:
        """The Dice (n,) that is expected of outlines with these features (n, `NAMES`)."""
        return self._trees.predict(features)

    def best(self, features: Floats) -> tuple[int, float]:
        """Which outline to take after a stroke, from features (n, `NAMES`), and the Dice that is expected of it."""
        expected = self.expect(features)
        number = pick(expected, features, self.content.margin)
        return number, float(expected[number])

    @cached_property
    def _trees(self) -> Trees:
        return from_text(self.content.trees)


def at_first(features: Floats) -> Floats:
    """Rows of `NAMES` from those of `FIRST_NAMES`: nothing has been drawn but the first prompt."""
    return np.pad(features, ((0, 0), (0, len(STROKE_NAMES))), constant_values=np.nan)


def after_stroke(study: Study, revised: Revised) -> Floats:
    """Rows of `NAMES` for the outlines of a lesion after a stroke."""
    known = revised.old.outlines.features
    rows = np.full((len(revised.revisions), len(FIRST_NAMES)), np.nan, np.float32)
    if len(known):
        rows[:, :SHARED] = known[0, :SHARED]
        rows[len(revised.changes) :] = known
    return np.concatenate([rows, describe_revisions(study, revised)], axis=1)


def pick(expected: Floats, features: Floats, margin: float) -> int:
    """Which outline to take after a stroke, from the Dice (n,) expected of each and features (n, `NAMES`).

    After a background stroke none that adds anything.
    """
    adds = (features[:, TUMOR] == 0) & (features[:, _GAINED] > GAINS_NOTHING)
    allowed = np.where(adds, -np.inf, expected)
    best = int(allowed.argmax())
    return best if allowed[best] > expected[CORRECTED] + margin else CORRECTED
