"""The challenge's six steps played on candidates instead of voxels: quick enough to choose an operating point by.

A wrong or missing lesion is one item; each step the largest one by cross-section is put right, to a mask of ordinary
quality. Its numbers are for comparing operating points, not for reporting.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.detection.classifier import OperatingPoint
from sam_pet.train.candidate_examples import CandidateExample

Floats = npt.NDArray[np.floating[Any]]
STEPS = 5
# What a corrected lesion covers of the true one, and what it has too much of, as shares of the lesion.
_COVERED, _TOO_MUCH = 0.8, 0.2
_FALSE = 0.1
_FOUND = 0.15
# What lesion-free studies are to give, of 5: a false lesion costs the case, silence costs a stroke.
_LESION_FREE = 4.7
_CANDIDATE = (0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.8)
_STUDY = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95, 0.97)


def play(
    sample: CandidateExample, accepted: npt.NDArray[np.bool_], extent: npt.NDArray[np.int64]
) -> tuple[float, float | None]:
    """AUC-Dice and AUC-DMM (None in a lesion-free study) when these candidates are the answer at these extents."""
    rows = np.flatnonzero(accepted)
    voxels, true = sample.voxels[rows, extent[rows]], sample.true[rows, extent[rows]]
    if not sample.sizes.size:
        return (0.0 if rows.size else float(STEPS)), None
    sizes = sample.sizes.astype(float)
    covered = np.zeros(len(sizes))
    owned = sample.lesion[rows] > 0
    np.add.at(covered, sample.lesion[rows][owned] - 1, true[owned])
    covered = np.minimum(covered, sizes)
    false = true < _FALSE * voxels
    wrong = sorted(voxels[false].tolist())
    missed = sorted((float(s), i) for i, s in enumerate(sizes) if covered[i] < _FOUND * s)
    predicted, hit = float(voxels.sum()), float(covered.sum())
    found = len(sizes) - len(missed)
    dice, dmm = [], []
    for _ in range(STEPS + 1):
        dice.append(2 * hit / max(predicted + sizes.sum(), 1))
        dmm.append(2 * found / (2 * found + len(wrong) + len(missed)) if found else 0.0)
        if missed and (not wrong or missed[-1][0] >= wrong[-1]):
            size, number = missed.pop()
            found += 1
            hit += _COVERED * size - covered[number]
            predicted += (_COVERED + _TOO_MUCH) * size
        elif wrong:
            predicted -= wrong.pop()
    return float(np.trapezoid(dice)), float(np.trapezoid(dmm))


def best_operating_point(
    samples: list[CandidateExample], probabilities: list[Floats], extents: list[npt.NDArray[np.int64]], prefilter: float
) -> tuple[OperatingPoint, dict[str, float]]:
    """The point of the highest AUC-Dice plus AUC-DMM over studies, and what it gives there.

    Of those at which lesion-free studies stay silent often enough; where there is none, of those at which they do most.
    """
    best: tuple[tuple[float, float], OperatingPoint, dict[str, float]] | None = None
    for candidate in _CANDIDATE:
        for study in _STUDY:
            if study < candidate:
                continue
            point = OperatingPoint(prefilter=prefilter, candidate=candidate, study=study)
            played = [play(s, point.accept(p), e) for s, p, e in zip(samples, probabilities, extents, strict=True)]
            facts = _summary(played)
            silent = min(facts["lesion_free_auc_dice"], _LESION_FREE)
            worth = (round(silent, 9), round(facts["auc_dice"] + facts["auc_dmm"], 9))
            if best is None or worth > best[0]:
                best = (worth, point, facts)
    if best is None:
        raise ValueError("no operating point to choose from")
    return best[1], best[2]


def _summary(played: list[tuple[float, float | None]]) -> dict[str, float]:
    free = [dice for dice, dmm in played if dmm is None]
    matched = [dmm for _, dmm in played if dmm is not None]
    return {
        "auc_dice": float(np.mean([dice for dice, _ in played])),
        "auc_dmm": float(np.mean(matched)) if matched else 0.0,
        "lesion_free_auc_dice": float(np.mean(free)) if free else float(STEPS),
        "studies": float(len(played)),
    }
