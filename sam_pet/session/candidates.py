"""The candidates of a study and their probabilities, found once a tracer and kept with the session."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sam_pet.prompts import Voxels
from sam_pet.proposers.lesion import drawn_voxels
from sam_pet.session.engine import LesionSegmenter
from sam_pet.session.state import Lesions
from sam_pet.study import Study

if TYPE_CHECKING:
    from sam_pet.detection.detect import CandidateTable
    from sam_pet.segmenter import Segmenter


class Candidates:
    """The candidates of one study.

    Args:
        study: the study.
        segmenter: whose lesion classifier is used.
        tracker: the segmenter's, of the study.
    """

    def __init__(self, study: Study, segmenter: Segmenter, tracker: LesionSegmenter) -> None:
        self._study = study
        self._segmenter = segmenter
        self._settings = segmenter.settings.first_answer
        self._tracker = tracker
        self._tables: dict[str, CandidateTable] = {}

    def table(self, tracer: str = "auto") -> CandidateTable:
        """The candidates with their features, see `sam_pet.detection.detect.find_candidates`.

        Raises:
            InputError: unknown tracer.
        """
        from sam_pet.detection.detect import find_candidates  # heavy, and not every session wants it

        if tracer not in self._tables:
            self._tables[tracer] = find_candidates(self._study, tracer, self._settings)
        return self._tables[tracer]

    def probabilities(self, tracer: str = "auto") -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
        """The likely ones, as numbers in `table().regions`, and the probability of a lesion of each.

        Both are empty where the checkpoint has no lesion classifier.
        """
        from sam_pet.detection.detect import classify_candidates

        classifier = self._segmenter.lesion_classifier
        if classifier is None:
            return np.zeros(0, np.int64), np.zeros(0)
        return classify_candidates(self._tracker, classifier, self.table(tracer), self._settings)[:2]

    def scores(self, drawn: Sequence[Voxels], tracer: str = "auto") -> list[float]:
        """The prompt scores of places, axial voxels (n, 3) each, as logits; NaN where there is none."""
        classifier = self._segmenter.lesion_classifier
        if classifier is None:
            return [float("nan")] * len(drawn)
        from sam_pet.detection.prompt_score import prompt_scores

        scores: list[float] = prompt_scores(self._study, classifier, self.table(tracer), drawn).tolist()
        return scores

    def lesion_scores(self, lesions: Lesions, tracer: str) -> dict[int, float]:
        """By lesion, how surely its first prompt shows one, see `Session.scores`."""
        pointed = {number: lesion for number, lesion in lesions.items() if lesion.bank.conditioning}
        scores = {number: lesion.score for number, lesion in pointed.items()}
        if self._segmenter.lesion_classifier is not None and pointed:
            ours = self.scores([drawn_voxels(lesion.prompts[:1]) for lesion in pointed.values()], tracer)
            scores.update({number: score for number, score in zip(pointed, ours, strict=True) if not np.isnan(score)})
        return scores
