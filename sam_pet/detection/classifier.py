"""Lesion or physiology: what trees and a look make of candidates, calibrated, and the points at which to believe it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import expit, logit

from sam_pet.detection.appearance import Appearance
from sam_pet.detection.context import CONTEXT_NAMES, describe_context
from sam_pet.detection.features import MODEL_NAMES, NAMES
from sam_pet.detection.tracer import Tracer
from sam_pet.errors import InputError
from sam_pet.files import write_json
from sam_pet.trees import Floats, Trees, as_logits, from_text, to_text

if TYPE_CHECKING:
    import xgboost

# What is known of a place that a reader points at: of the candidate in whose basin it lies, and of it as one itself.
OPINION_NAMES = ("basin_verdict", "basin_look", "verdict", "look", *NAMES)
# What a glance takes for less probable is out.
ASK = 0.01
# The most that a look can say for a lesion, a logit: the network may be sure of what it has never seen.
_LOOK_LIMIT = 4.0


class Point(BaseModel):
    """Where to draw the line for a tracer, in calibrated probabilities.

    Attributes:
        ask: the model is asked about candidates that the study alone gives at least this.
        keep: a candidate is a lesion from this on,
        open: if one of the study's candidates reaches this; otherwise the answer is empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    ask: float = Field(ge=0, le=1)
    keep: float = Field(ge=0, le=1)
    open: float = Field(ge=0, le=1)

    def accept(self, probabilities: Floats) -> npt.NDArray[np.bool_]:
        """Which candidates of a study make the answer."""
        if probabilities.max(initial=0.0) < self.open:
            return np.zeros(len(probabilities), bool)
        kept: npt.NDArray[np.bool_] = probabilities >= self.keep
        return kept


class _Content(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    features: list[str]
    model_features: list[str]
    context_features: list[str]
    glance: str
    verdict: str | None
    extent: str
    context: str
    opinion: str | None = None
    # Weights of the logits of the verdict and of the look, and an offset.
    calibration: tuple[float, float, float]
    # SHA-256 of the appearance network whose looks it was calibrated with.
    appearance: str | None
    points: dict[Tracer, Point]
    training: dict[str, Any]


class _Boosters(NamedTuple):
    glance: Trees
    verdict: Trees | None
    extent: Trees
    context: Trees


def bounded(looks: Floats) -> Floats:
    """Looks as they are weighed; 0 where there is none."""
    within: Floats = np.nan_to_num(np.minimum(looks, _LOOK_LIMIT))
    return within


@dataclass(frozen=True)
class LesionClassifier:
    """Sets of trees, as stored beside a checkpoint in `first_answer.json`.

    `glance` knows the study alone (`features.NAMES`), `verdict`, if there is one, also what the model says
    (`features.MODEL_NAMES`), `extent` gives the part of the way from the surroundings to the peak at which a lesion
    ends, `context` weighs the verdicts on a study's candidates (`CONTEXT_NAMES`), `opinion`, if there is one, says of a
    place that is pointed at (`OPINION_NAMES`) whether it is on a lesion.
    Beside them may stand the network that looks at candidates.
    """

    content: _Content
    appearance: Appearance | None = None

    @classmethod
    def make(
        cls,
        glance: xgboost.Booster,
        verdict: xgboost.Booster | None,
        extent: xgboost.Booster,
        context: xgboost.Booster,
        calibration: tuple[float, float, float],
        points: dict[Tracer, Point],
        training: dict[str, Any],
        appearance: Appearance | None = None,
    ) -> Self:
        """A judge of boosters trained on `NAMES`, on these and `MODEL_NAMES`, on `NAMES`, and on `CONTEXT_NAMES`."""
        return cls(
            _Content(
                features=list(NAMES),
                model_features=list(MODEL_NAMES),
                context_features=list(CONTEXT_NAMES),
                glance=to_text(glance),
                verdict=None if verdict is None else to_text(verdict),
                extent=to_text(extent),
                context=to_text(context),
                calibration=calibration,
                appearance=None if appearance is None else appearance.sha256,
                points=points,
                training=training,
            ),
            appearance,
        )

    @classmethod
    def read(cls, path: Path, appearance: Appearance | None = None) -> Self:
        """The judge in a file, with the appearance network of its checkpoint.

        Raises:
            InputError: it is damaged, of another version of the features, or was trained beside another network.
        """
        try:
            content = _Content.model_validate_json(path.read_text(encoding="utf-8"))
            judge = cls(content, appearance)
            _ = judge._boosters, judge._opinion
        except ValueError as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{path} is not a lesion classifier ({reason}); train or fetch it again") from error
        known = (content.features, content.model_features, content.context_features)
        if known != (list(NAMES), list(MODEL_NAMES), list(CONTEXT_NAMES)):
            raise InputError(f"{path} was trained on other features; train it again with sam-pet train")
        if content.appearance != (None if appearance is None else appearance.sha256):
            raise InputError(
                f"{path} was not trained beside the appearance network of its checkpoint; "
                "train it again with sam-pet train"
            )
        return judge

    def with_opinion(self, trees: xgboost.Booster) -> LesionClassifier:
        """The judge with trees trained on `OPINION_NAMES`."""
        return replace(self, content=self.content.model_copy(update={"opinion": to_text(trees)}))

    def with_bar(self, probability: float) -> LesionClassifier:
        """The judge that takes every candidate of at least this probability for a lesion."""
        points = {
            tracer: point.model_copy(update={"keep": probability, "open": probability})
            for tracer, point in self.content.points.items()
        }
        return replace(self, content=self.content.model_copy(update={"points": points}))

    def write(self, path: Path) -> None:
        write_json(self.content.model_dump(mode="json"), path)

    @property
    def listens(self) -> bool:
        """Whether the verdict depends on what the model says."""
        return self.content.verdict is not None

    def point(self, tracer: Tracer) -> Point:
        return self.content.points[tracer]

    def glance(self, features: Floats) -> Floats:
        """Probability (n,) of a lesion from features (n, `NAMES`)."""
        return self._boosters.glance.predict(features)

    def verdict(self, features: Floats, said: Floats, looks: Floats) -> Floats:
        """Calibrated probability (n,) of each by itself.

        Args:
            features: (n, `NAMES`).
            said: what the model says (n, `MODEL_NAMES`).
            looks: the network's logits (n,), NaN without one.
        """
        raw = self.glance(features)
        if self._boosters.verdict is not None:
            raw = self._boosters.verdict.predict(np.concatenate([features, said], axis=1))
        judged, looked, offset = self.content.calibration
        known = judged * logit(np.clip(raw, 1e-6, 1 - 1e-6))
        calibrated: Floats = expit(known + looked * bounded(looks) + offset)
        return calibrated

    def weigh(self, verdicts: Floats, looks: Floats, features: Floats, places: Floats) -> Floats:
        """Probability (n,) of each likely candidate of a study beside the others; see `describe_context`."""
        return self._boosters.context.predict(describe_context(verdicts, bounded(looks), features, places))

    def extent(self, features: Floats) -> Floats:
        """The fraction (n,) for `CandidateRegion.region` from features (n, `NAMES`)."""
        fraction: Floats = np.clip(self._boosters.extent.predict(features), 0.15, 0.8)
        return fraction

    def opinion(self, features: Floats) -> Floats:
        """Logits (n,) that places are on a lesion, from features (n, `OPINION_NAMES`); NaN where all of these are.

        Without trees of its own it is the verdict on the place or on its basin, whichever speaks more for a lesion.
        """
        if self._opinion is None:
            word: Floats = np.fmax(features[:, 0], features[:, 2])
            return word
        nothing = np.isnan(features).all(axis=1)
        return np.where(nothing, np.nan, as_logits(self._opinion.predict(features)))

    @cached_property
    def _opinion(self) -> Trees | None:
        return None if self.content.opinion is None else from_text(self.content.opinion)

    @cached_property
    def _boosters(self) -> _Boosters:
        content = self.content
        verdict = None if content.verdict is None else from_text(content.verdict)
        return _Boosters(from_text(content.glance), verdict, from_text(content.extent), from_text(content.context))
