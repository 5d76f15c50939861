"""Features of a candidate beside the others: if a study has clear lesions, what resembles them is likelier one."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from sam_pet.detection.features import NAMES
from sam_pet.trees import Floats, as_logits

# Features that are compared with their mean over the others, which count by their probabilities.
_COMPARED = ("suv_to_liver", "volume", "hu", "bone", "below_top")
CONTEXT_NAMES = (
    *("verdict", "look", "likelier", "best_other", "best_elsewhere", "others", "near_best", "near_others", "likely"),
    *(f"{name}_to_others" for name in _COMPARED),
    *NAMES,
)
_NEAR_MM = 60.0


def describe_context(probabilities: Floats, cnn_logits: Floats, features: Floats, places: Floats) -> Floats:
    """Features of each likely candidate of one study, rows of `CONTEXT_NAMES`.

    Others count by their probabilities, but those near each other not for more than one: a large mass has many peaks.

    Args:
        probabilities: (n,) of each by itself.
        cnn_logits: (n,) the appearance network's logits, bounded; 0 without one.
        features: (n, `features.NAMES`).
        places: (n, 3) peaks (x, y, z) in mm.
    """
    count = len(probabilities)
    if not count:
        return np.zeros((0, len(CONTEXT_NAMES)), np.float32)
    logits = as_logits(probabilities)
    likely = expit(logits)
    alone = np.eye(count, dtype=bool)
    within = np.linalg.norm(places[:, None] - places, axis=2) < _NEAR_MM
    near = within & ~alone
    # Of each column's candidate, without that of the row.
    crowds = within @ likely - within * likely[:, None]
    weights = np.where(alone, 0.0, likely / np.maximum(crowds, 1.0))
    total = weights.sum(axis=1)
    others = np.where(alone, -np.inf, logits)
    elsewhere = ~alone & ~within[others.argmax(axis=1)]
    compared = features[:, [NAMES.index(name) for name in _COMPARED]].astype(float)
    with np.errstate(invalid="ignore"):
        mean = (weights @ compared) / total[:, None]
    rows = [
        logits,
        cnn_logits,
        (weights * (logits > logits[:, None])).sum(axis=1),
        _best(others),
        _best(np.where(elsewhere, logits, -np.inf)),
        total,
        _best(np.where(near, logits, -np.inf)),
        (near * likely).sum(axis=1),
        np.full(count, count),
        *(compared - mean).T,
    ]
    return np.concatenate([np.stack(rows, axis=1), features], axis=1).astype(np.float32)


def _best(logits: Floats) -> Floats:
    """The highest of each row; NaN where there is none."""
    highest = logits.max(axis=1)
    known: Floats = np.where(np.isfinite(highest), highest, np.nan)
    return known
