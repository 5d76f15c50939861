"""The prompt score: how probably a place that a reader has pointed at is on a lesion."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sam_pet.boxes import MaskBox
from sam_pet.detection.classifier import PROMPT_SCORE_NAMES, LesionClassifier
from sam_pet.detection.detect import CandidateTable, appearance_logits
from sam_pet.detection.features import MODEL_NAMES, Floats
from sam_pet.prompts import Voxels
from sam_pet.study import Study
from sam_pet.trees import as_logits
from sam_pet.uptake.peaks import candidates_at
from sam_pet.uptake.regions import CandidateRegion, crop_candidate


def prompt_scores(study: Study, classifier: LesionClassifier, table: CandidateTable, drawn: Sequence[Voxels]) -> Floats:
    """How probably each place (axial voxels (n, 3)) is on a lesion, as logits; NaN where there is no uptake."""
    return classifier.prompt_score(describe(study, classifier, table, drawn))


def describe(study: Study, classifier: LesionClassifier, table: CandidateTable, drawn: Sequence[Voxels]) -> Floats:
    """Features of places, rows of `PROMPT_SCORE_NAMES`; NaN where there is no uptake.

    A place counts as the candidate in whose basin it lies and as a candidate of its own. On the slope of an organ it is
    part of that organ, or a lesion beside it. The tracker is not run.
    """
    regions = list(table.regions)
    rows: list[tuple[int | None, int | None]] = []
    for voxels in drawn:
        own = (
            [crop_candidate(study, candidate) for candidate in candidates_at(study, voxels)[-1:]] if len(voxels) else []
        )
        rows.append((_basin(table.regions, voxels), len(regions) if own else None))
        regions += own
    used = np.array(sorted({row for pair in rows for row in pair if row is not None}), np.int64)
    found = np.full((len(drawn), len(PROMPT_SCORE_NAMES)), np.nan, np.float32)
    if not used.size:
        return found
    known = CandidateTable.of(study, table.body, table.tracer, regions)
    model_features = np.full((len(used), len(MODEL_NAMES)), np.nan, np.float32)
    cnn_logits = np.full(len(regions), np.nan)
    cnn_logits[used] = appearance_logits(study, known, classifier.appearance, used)
    scores = np.full(len(regions), np.nan)
    scores[used] = as_logits(classifier.lesion_probability(known.features[used], model_features, cnn_logits[used]))
    for place, (basin, own_region) in zip(found, rows, strict=True):
        if basin is not None:
            place[:2] = scores[basin], cnn_logits[basin]
        if own_region is not None:
            place[2:] = [scores[own_region], cnn_logits[own_region], *known.features[own_region]]
    return found


def _basin(regions: Sequence[CandidateRegion], voxels: Voxels) -> int | None:
    """The candidate with most of the voxels in its basin."""
    shares = [MaskBox(region.candidate.corner, region.candidate.basin).touches(voxels) for region in regions]
    return int(np.argmax(shares)) if max(shares, default=0) else None
