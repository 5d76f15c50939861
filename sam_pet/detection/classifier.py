"""The lesion classifier: trees and a network tell lesions from physiology; thresholds for each tracer."""

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

# Features of a place that a reader points at: of the candidate in whose basin it lies, and of it as a candidate itself.
PROMPT_SCORE_NAMES = ("basin_probability", "basin_cnn_logit", "probability", "cnn_logit", *NAMES)
# Candidates to which the prefilter gives less are out.
LEAST_PREFILTER = 0.01
# The highest logit of the network that counts: it may be sure of what it has never seen.
_CNN_LOGIT_LIMIT = 4.0
# Beyond what they learned from, trees guess.
_EXTENTS = (0.15, 0.8)


class OperatingPoint(BaseModel):
    """The thresholds for a tracer; in files they are `ask`, `keep` and `open`.

    Attributes:
        prefilter: candidates to which the prefilter gives less are out.
        candidate: a candidate is a lesion from this calibrated probability on,
        study: if one of the study's candidates reaches this; otherwise the answer is empty.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    prefilter: float = Field(validation_alias="ask", serialization_alias="ask", ge=0, le=1)
    candidate: float = Field(validation_alias="keep", serialization_alias="keep", ge=0, le=1)
    study: float = Field(validation_alias="open", serialization_alias="open", ge=0, le=1)

    def accept(self, probabilities: Floats) -> npt.NDArray[np.bool_]:
        """Which candidates of a study make the answer."""
        if probabilities.max(initial=0.0) < self.study:
            return np.zeros(len(probabilities), bool)
        kept: npt.NDArray[np.bool_] = probabilities >= self.candidate
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
    # Weights of the logits of the trees and of the network, and an offset.
    calibration: tuple[float, float, float]
    # SHA-256 of the appearance network that it was calibrated with.
    appearance: str | None
    points: dict[Tracer, OperatingPoint]
    training: dict[str, Any]


class _Boosters(NamedTuple):
    prefilter: Trees
    probability: Trees | None
    extent: Trees
    context: Trees


def bounded(cnn_logits: Floats) -> Floats:
    """The network's logits as they count; 0 where there is none."""
    within: Floats = np.nan_to_num(np.minimum(cnn_logits, _CNN_LOGIT_LIMIT))
    return within


@dataclass(frozen=True)
class LesionClassifier:
    """Sets of trees, as stored beside a checkpoint in `first_answer.json`.

    | in the file | what it gives | from |
    | --- | --- | --- |
    | `glance` | the prefilter's probability | `features.NAMES` |
    | `verdict`, optional | the probability of a lesion | `features.NAMES`, `features.MODEL_NAMES` |
    | `extent` | the part of the way from surroundings to peak at which a lesion ends | `features.NAMES` |
    | `context` | the probability beside the study's other candidates | `CONTEXT_NAMES` |
    | `opinion`, optional | whether a place that is pointed at is on a lesion | `PROMPT_SCORE_NAMES` |

    The appearance network may stand beside them.
    """

    content: _Content
    appearance: Appearance | None = None

    @classmethod
    def make(
        cls,
        prefilter: xgboost.Booster,
        probability: xgboost.Booster | None,
        extent: xgboost.Booster,
        context: xgboost.Booster,
        calibration: tuple[float, float, float],
        points: dict[Tracer, OperatingPoint],
        training: dict[str, Any],
        appearance: Appearance | None = None,
    ) -> Self:
        """A classifier of boosters; what each was trained on is in the table above."""
        return cls(
            _Content(
                features=list(NAMES),
                model_features=list(MODEL_NAMES),
                context_features=list(CONTEXT_NAMES),
                glance=to_text(prefilter),
                verdict=None if probability is None else to_text(probability),
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
        """The classifier in a file, with the appearance network of its checkpoint.

        Raises:
            InputError: it is damaged, of another version of the features, or was trained beside another network.
        """
        try:
            content = _Content.model_validate_json(path.read_text(encoding="utf-8"))
            classifier = cls(content, appearance)
            _ = classifier._boosters, classifier._prompt_score_trees
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
        return classifier

    def with_prompt_score(self, trees: xgboost.Booster) -> LesionClassifier:
        """The classifier with trees trained on `PROMPT_SCORE_NAMES`."""
        return replace(self, content=self.content.model_copy(update={"opinion": to_text(trees)}))

    def with_bar(self, probability: float) -> LesionClassifier:
        """The classifier that takes every candidate of at least this probability for a lesion."""
        points = {
            tracer: point.model_copy(update={"candidate": probability, "study": probability})
            for tracer, point in self.content.points.items()
        }
        return replace(self, content=self.content.model_copy(update={"points": points}))

    def write(self, path: Path) -> None:
        write_json(self.content.model_dump(mode="json", by_alias=True), path)

    @property
    def uses_model(self) -> bool:
        """Whether the probability depends on the model's lesion of a click at the candidate."""
        return self.content.verdict is not None

    def operating_point(self, tracer: Tracer) -> OperatingPoint:
        return self.content.points[tracer]

    def prefilter(self, features: Floats) -> Floats:
        """Probability (n,) of a lesion from features (n, `NAMES`)."""
        return self._boosters.prefilter.predict(features)

    def lesion_probability(self, features: Floats, model_features: Floats, cnn_logits: Floats) -> Floats:
        """Calibrated probability (n,) of each by itself.

        Args:
            features: (n, `NAMES`).
            model_features: (n, `MODEL_NAMES`).
            cnn_logits: the network's logits (n,), NaN without one.
        """
        raw = self.prefilter(features)
        if self._boosters.probability is not None:
            raw = self._boosters.probability.predict(np.concatenate([features, model_features], axis=1))
        of_trees, of_network, offset = self.content.calibration
        known = of_trees * logit(np.clip(raw, 1e-6, 1 - 1e-6))
        calibrated: Floats = expit(known + of_network * bounded(cnn_logits) + offset)
        return calibrated

    def rescore_with_context(
        self, probabilities: Floats, cnn_logits: Floats, features: Floats, places: Floats
    ) -> Floats:
        """Probability (n,) of each likely candidate of a study beside the others; see `describe_context`."""
        return self._boosters.context.predict(describe_context(probabilities, bounded(cnn_logits), features, places))

    def extent(self, features: Floats) -> Floats:
        """The fraction (n,) for `CandidateRegion.mask` from features (n, `NAMES`)."""
        fraction: Floats = np.clip(self._boosters.extent.predict(features), *_EXTENTS)
        return fraction

    def prompt_score(self, features: Floats) -> Floats:
        """Logits (n,) that places are on a lesion, from features (n, `PROMPT_SCORE_NAMES`); NaN where all of these are.

        Without trees of its own it is the higher logit of two: that of the place, and that of its basin.
        """
        if self._prompt_score_trees is None:
            higher: Floats = np.fmax(features[:, 0], features[:, 2])
            return higher
        nothing = np.isnan(features).all(axis=1)
        return np.where(nothing, np.nan, as_logits(self._prompt_score_trees.predict(features)))

    @cached_property
    def _prompt_score_trees(self) -> Trees | None:
        return None if self.content.opinion is None else from_text(self.content.opinion)

    @cached_property
    def _boosters(self) -> _Boosters:
        content = self.content
        probability = None if content.verdict is None else from_text(content.verdict)
        return _Boosters(from_text(content.glance), probability, from_text(content.extent), from_text(content.context))
