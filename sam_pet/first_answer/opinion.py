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

_SURE = 1e-9


def opinions(study: Study, judge: Judge, evidence: Evidence, drawn: Sequence[Voxels]) -> Floats:
    """How probably each place (axial voxels (n, 3)) is on a lesion, logits; NaN where there is no peak of uptake.

    A place is judged as the candidate whose basin it lies in; what the tracker says of it is not asked.
    """
    spots = [_spot(evidence, voxels) for voxels in drawn]
    rows = np.array(sorted({spot for spot in spots if spot is not None}), np.int64)
    said = np.full((len(rows), len(MODEL_NAMES)), np.nan, np.float32)
    looks = look(study, evidence, judge.appearance, rows)
    judged = judge.verdict(evidence.features[rows], said, looks) if rows.size else np.zeros(0)
    known = dict(zip(rows.tolist(), logit(np.clip(judged, _SURE, 1 - _SURE)).tolist(), strict=True))
    return np.array([np.nan if spot is None else known[spot] for spot in spots], float)


def _spot(evidence: Evidence, voxels: Voxels) -> int | None:
    """The candidate with most of the voxels in its basin."""
    basins = (spot.candidate for spot in evidence.spots)
    shares = [Block(basin.corner, basin.basin).touches(voxels) for basin in basins]
    return int(np.argmax(shares)) if max(shares, default=0) else None
