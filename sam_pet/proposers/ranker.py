"""The outline ranker: trees that expect the Dice of each outline of a new lesion."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from sam_pet.errors import InputError
from sam_pet.files import write_json
from sam_pet.proposers.outline_features import NAMES, Floats
from sam_pet.proposers.volume_input import WIDTHS_MM
from sam_pet.trees import Trees, from_text, to_text

if TYPE_CHECKING:
    import xgboost

# Networks' masks have 0, -1, -2... in place of a level: the tracker's, then the network's from the narrowest cube on.
_LEVEL = NAMES.index("level")


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    features: list[str]
    trees: str
    margin: float = Field(ge=0)
    training: dict[str, Any]


@dataclass(frozen=True)
class OutlineRanker:
    """Trees that expect the Dice of each outline, as stored beside a checkpoint in `chooser.json`.

    The network's outline in the widest cube has to be better than the others by more than `margin`. It is of the
    largest lesions, of which the network has learned from few. If the trees learned from lesions that the network has
    seen, they trust it too much.
    """

    content: _Content

    @classmethod
    def make(cls, trees: xgboost.Booster, margin: float, training: dict[str, Any]) -> Self:
        return cls(_Content(features=list(NAMES), trees=to_text(trees), margin=margin, training=training))

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
            raise InputError(f"{path} does not choose outlines ({reason}); train or fetch it again") from error
        if ranker.content.features != list(NAMES):
            raise InputError(f"{path} was trained on other features; train it again with sam-pet train")
        return ranker

    def write(self, path: Path) -> None:
        write_json(self.content.model_dump(mode="json"), path)

    def expect(self, features: Floats) -> Floats:
        """The Dice (n,) that is expected of outlines with these features (n, `NAMES`)."""
        return self._trees.predict(features)

    def ranked(self, expected: Floats, features: Floats) -> Floats:
        """What is expected of outlines (n,), less the margin for the widest contour."""
        return self._held_back(expected, features, self.content.margin)

    @classmethod
    def best(cls, expected: Floats, features: Floats, margin: float) -> npt.NDArray[np.int64]:
        """Which outline (...) to take, from the Dice expected of each (..., outlines) and their features."""
        best: npt.NDArray[np.int64] = cls._held_back(expected, features, margin).argmax(axis=-1)
        return best

    @staticmethod
    def _held_back(expected: Floats, features: Floats, margin: float) -> Floats:
        ranked: Floats = expected - margin * (features[..., _LEVEL] == -len(WIDTHS_MM))
        return ranked

    @cached_property
    def _trees(self) -> Trees:
        return from_text(self.content.trees)
