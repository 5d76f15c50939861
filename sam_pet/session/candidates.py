"""What the first answer's machinery says of a study's candidates, found once a tracer and kept with the session."""

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
        segmenter: whose lesion classifier is asked.
        tracker: the segmenter's, of the study.
    """

    def __init__(self, study: Study, segmenter: Segmenter, tracker: LesionSegmenter) -> None:
        self._study = study
        self._segmenter = segmenter
        self._tracker = tracker
        self._evidence: dict[str, CandidateTable] = {}

    def evidence(self, tracer: str = "auto") -> CandidateTable:
        """What the study says of them, see `sam_pet.detection.detect.gather`.

        Raises:
            InputError: unknown tracer.
        """
        from sam_pet.detection.detect import gather  # heavy, and not every session wants it

        if tracer not in self._evidence:
            self._evidence[tracer] = gather(self._study, tracer)
        return self._evidence[tracer]

    def probabilities(self, tracer: str = "auto") -> tuple[npt.NDArray[np.int64], npt.NDArray[Any]]:
        """The likely ones, as numbers in `evidence().spots`, and the probability of a lesion of each.

        Both are empty where the checkpoint has no lesion classifier.
        """
        from sam_pet.detection.detect import weigh

        judge = self._segmenter.judge
        if judge is None:
            return np.zeros(0, np.int64), np.zeros(0)
        return weigh(self._tracker, judge, self.evidence(tracer))[:2]

    def scores(self, drawn: Sequence[Voxels], tracer: str = "auto") -> list[float]:
        """The lesion classifier's word on places, axial voxels (n, 3) each, as logits; NaN where there is none."""
        judge = self._segmenter.judge
        if judge is None:
            return [float("nan")] * len(drawn)
        from sam_pet.detection.prompt_score import opinions

        return [float(word) for word in opinions(self._study, judge, self.evidence(tracer), drawn)]

    def lesion_scores(self, lesions: Lesions, tracer: str) -> dict[int, float]:
        """By lesion, how surely its first prompt shows one, see `Session.scores`."""
        pointed = {number: lesion for number, lesion in lesions.items() if lesion.bank.conditioning}
        scores = {number: lesion.score for number, lesion in pointed.items()}
        if self._segmenter.judge is not None and pointed:
            said = self.scores([drawn_voxels(lesion.prompts[:1]) for lesion in pointed.values()], tracer)
            scores.update({number: word for number, word in zip(pointed, said, strict=True) if not np.isnan(word)})
        return scores
