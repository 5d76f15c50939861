"""How surely lesions that a reader has pointed at are lesions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from sam_pet.proposers.lesion import drawn_voxels
from sam_pet.session.state import Lesions
from sam_pet.study import Study

if TYPE_CHECKING:
    from sam_pet.detection.classifier import Judge
    from sam_pet.detection.detect import Evidence


def lesion_scores(
    study: Study, judge: Judge | None, lesions: Lesions, evidence: Callable[[], Evidence]
) -> dict[int, float]:
    """See `Session.scores`; the evidence is asked for only where there is a judge."""
    pointed = {number: lesion for number, lesion in lesions.items() if lesion.bank.conditioning}
    scores = {number: lesion.score for number, lesion in pointed.items()}
    if judge is not None and pointed:
        from sam_pet.detection.prompt_score import opinions

        drawn = [drawn_voxels(lesion.prompts[:1]) for lesion in pointed.values()]
        said = opinions(study, judge, evidence(), drawn).tolist()
        scores.update({number: word for number, word in zip(pointed, said, strict=True) if not np.isnan(word)})
    return scores
