"""What the lesion classifier thinks of places that a reader has pointed at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_pet.boxes import MaskBox
from sam_pet.detection.classifier import OPINION_NAMES, LesionClassifier
from sam_pet.detection.detect import CandidateTable, look
from sam_pet.detection.features import MODEL_NAMES, Floats
from sam_pet.prompts import Voxels
from sam_pet.study import Study
from sam_pet.trees import as_logits
from sam_pet.uptake.peaks import candidates_at
from sam_pet.uptake.regions import CandidateRegion, look_at


def opinions(study: Study, judge: LesionClassifier, evidence: CandidateTable, drawn: Sequence[Voxels]) -> Floats:
    """How probably each place (axial voxels (n, 3)) is on a lesion, as logits; NaN where there is no uptake."""
    return judge.opinion(describe(study, judge, evidence, drawn))


def describe(study: Study, judge: LesionClassifier, evidence: CandidateTable, drawn: Sequence[Voxels]) -> Floats:
    """What there is to know of places, rows of `OPINION_NAMES`; NaN where there is no uptake.

    A place is judged as the candidate in whose basin it lies and as a candidate of its own: on the slope of an organ
    it is part of that organ, or a lesion beside it. What the tracker says of it is not asked.
    """
    spots = list(evidence.spots)
    rows: list[tuple[int | None, int | None]] = []
    for voxels in drawn:
        own = [look_at(study, candidate) for candidate in candidates_at(study, voxels)[-1:]] if len(voxels) else []
        rows.append((_basin(evidence.spots, voxels), len(spots) if own else None))
        spots += own
    judged = np.array(sorted({row for pair in rows for row in pair if row is not None}), np.int64)
    found = np.full((len(drawn), len(OPINION_NAMES)), np.nan, np.float32)
    if not judged.size:
        return found
    known = CandidateTable.of(study, evidence.body, evidence.tracer, spots)
    said = np.full((len(judged), len(MODEL_NAMES)), np.nan, np.float32)
    looks = np.full(len(spots), np.nan)
    looks[judged] = look(study, known, judge.appearance, judged)
    verdicts = np.full(len(spots), np.nan)
    verdicts[judged] = as_logits(judge.verdict(known.features[judged], said, looks[judged]))
    for place, (basin, own_spot) in zip(found, rows, strict=True):
        if basin is not None:
            place[:2] = verdicts[basin], looks[basin]
        if own_spot is not None:
            place[2:] = [verdicts[own_spot], looks[own_spot], *known.features[own_spot]]
    return found


def _basin(spots: Sequence[CandidateRegion], voxels: Voxels) -> int | None:
    """The candidate with most of the voxels in its basin."""
    shares = [MaskBox(spot.candidate.corner, spot.candidate.basin).touches(voxels) for spot in spots]
    return int(np.argmax(shares)) if max(shares, default=0) else None
