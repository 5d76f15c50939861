"""The outline of a lesion after a stroke: the one that trees expect to fit best, which may be none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict

from sam_pet.errors import InputError
from sam_pet.files import write_json
from sam_pet.proposers.revision_features import REVISION_NAMES, Floats, describe_revisions
from sam_pet.proposers.revisions import Revised, Revision
from sam_pet.study import Study
from sam_pet.trees import Trees, from_text, to_text

if TYPE_CHECKING:
    import xgboost


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    features: list[str]
    trees: str
    training: dict[str, Any]


@dataclass(frozen=True)
class StrokeRanker:
    """Trees that expect a Dice of each outline that a lesion may have after a stroke, given all strokes so far."""

    content: _Content

    @classmethod
    def make(cls, trees: xgboost.Booster, training: dict[str, Any]) -> Self:
        return cls(_Content(features=list(REVISION_NAMES), trees=to_text(trees), training=training))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The ranker in a file.

        Raises:
            InputError: it is damaged, or of another version of the features.
        """
        try:
            ranker = cls(_Content.model_validate_json(path.read_text(encoding="utf-8")))
            _ = ranker._trees
        except ValueError as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{path} does not rank outlines ({reason}); train or fetch it again") from error
        if ranker.content.features != list(REVISION_NAMES):
            raise InputError(f"{path} was trained on other features; train it with sam-pet train --only strokes")
        return ranker

    def write(self, path: Path) -> None:
        write_json(self.content.model_dump(mode="json"), path)

    def best(self, study: Study, revised: Revised) -> Revision:
        """The outline that is expected to fit best."""
        return revised.revisions[int(self.expect(describe_revisions(study, revised)).argmax())]

    def expect(self, features: Floats) -> Floats:
        """The Dice (n,) expected of outlines with these features (n, `REVISION_NAMES`)."""
        return self._trees.predict(features)

    @cached_property
    def _trees(self) -> Trees:
        return from_text(self.content.trees)
