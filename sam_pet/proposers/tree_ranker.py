"""Trees that expect the Dice of outlines, as a file of a checkpoint; what is picked by it is its subclasses' matter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from sam_pet.errors import InputError
from sam_pet.files import write_json
from sam_pet.trees import Trees, from_text, to_text

if TYPE_CHECKING:
    import xgboost

Floats = npt.NDArray[np.floating[Any]]


class RankerContent(BaseModel):
    """What the file holds: the names of the features, the trees, a margin of the expected Dice, and facts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: list[str]
    trees: str
    margin: float = Field(ge=0)
    training: dict[str, Any]


@dataclass(frozen=True)
class TreeRanker:
    """Trees that expect the Dice of outlines described by `NAMES`."""

    NAMES: ClassVar[Sequence[str]]
    content: RankerContent

    @classmethod
    def make(cls, trees: xgboost.Booster, margin: float, training: dict[str, Any]) -> Self:
        return cls(RankerContent(features=list(cls.NAMES), trees=to_text(trees), margin=margin, training=training))

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
        if ranker.content.features != list(cls.NAMES):
            raise InputError(f"{path} was trained on other features; train it again with sam-pet train")
        return ranker

    def write(self, path: Path) -> None:
        write_json(self.content.model_dump(mode="json"), path)

    def expect(self, features: Floats) -> Floats:
        """The Dice (n,) that is expected of outlines with these features (n, `NAMES`)."""
        return self._trees.predict(features)

    @cached_property
    def _trees(self) -> Trees:
        return from_text(self.content.trees)
