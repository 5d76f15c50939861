"""What the lesion classifier thinks of places that a reader has pointed at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import logit

from sam_pet.block import Block
from sam_pet.first_answer.answer import Evidence, look
from sam_pet.first_answer.features import MODEL_NAMES, Floats
from sam_pet.first_answer.judge import Judge
from sam_pet.prompts import Voxels
from sam_pet.study import Study
from sam_pet.uptake.candidates import candidates_at
from sam_pet.uptake.regions import Spot, look_at

_SURE = 1e-9


def opinions(study: Study, judge: Judge, evidence: Evidence, drawn: Sequence[Voxels]) -> Floats:
    """How probably each place (axial voxels (n, 3)) is on a lesion, as logits; NaN where there is no uptake.

    A place is judged as the candidate in whose basin it lies and as a candidate of its own: on the slope of an organ
    it is part of that organ, or a lesion beside it. What speaks more for a lesion counts. What the tracker says of it
    is not asked.
    """
    spots, rows = list(evidence.spots), []
    for voxels in drawn:
        found = [i for i in [_basin(evidence.spots, voxels)] if i is not None]
        own = [look_at(study, candidate) for candidate in candidates_at(study, voxels)[-1:]] if len(voxels) else []
        rows.append([*found, *range(len(spots), len(spots) + len(own))])
        spots += own
    judged = np.array(sorted({row for found in rows for row in found}), np.int64)
    if not judged.size:
        return np.full(len(drawn), np.nan)
    known = Evidence.of(study, evidence.body, evidence.tracer, spots)
    said = np.full((len(judged), len(MODEL_NAMES)), np.nan, np.float32)
    looks = look(study, known, judge.appearance, judged)
    verdicts = np.full(len(spots), np.nan)
    verdicts[judged] = logit(np.clip(judge.verdict(known.features[judged], said, looks), _SURE, 1 - _SURE))
    return np.array([max(verdicts[found], default=np.nan) for found in rows], float)


def _basin(spots: Sequence[Spot], voxels: Voxels) -> int | None:
    """The candidate with most of the voxels in its basin."""
    shares = [Block(spot.candidate.corner, spot.candidate.basin).touches(voxels) for spot in spots]
    return int(np.argmax(shares)) if max(shares, default=0) else None
