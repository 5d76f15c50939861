"""How a candidate stands among the others of its study: where some convince, what is like them is likelier."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from sam_pet.first_answer.features import NAMES
from sam_pet.trees import Floats, as_logits

# Features that are compared with their mean over the others, which count by their verdicts.
_COMPARED = ("suv_to_liver", "volume", "hu", "bone", "below_top")
CONTEXT_NAMES = (
    *("verdict", "look", "likelier", "best_other", "second_other", "others", "near_best", "near_others", "likely"),
    *(f"{name}_to_others" for name in _COMPARED),
    *NAMES,
)
_NEAR_MM = 60.0


def describe_context(verdicts: Floats, looks: Floats, features: Floats, places: Floats) -> Floats:
    """What there is to know of each likely candidate of one study, rows of `CONTEXT_NAMES`.

    Args:
        verdicts: (n,) probabilities of each by itself.
        looks: (n,) the appearance network's logits, bounded; 0 without one.
        features: (n, `features.NAMES`).
        places: (n, 3) peaks (x, y, z) in mm.
    """
    count = len(verdicts)
    logits = as_logits(verdicts)
    alone = np.eye(count, dtype=bool)
    near = ~alone & (np.linalg.norm(places[:, None] - places, axis=2) < _NEAR_MM)
    others = np.sort(np.where(alone, -np.inf, logits), axis=1)[:, ::-1]
    weights = np.where(alone, 0.0, expit(logits))
    total = weights.sum(axis=1)
    compared = features[:, [NAMES.index(name) for name in _COMPARED]].astype(float)
    with np.errstate(invalid="ignore"):
        mean = (weights @ compared) / total[:, None]
    rows = [
        logits,
        looks,
        np.argsort(np.argsort(-logits, kind="stable")),
        _nth(others, 0),
        _nth(others, 1),
        total,
        _finite(np.where(near, logits, -np.inf).max(axis=1, initial=-np.inf)),
        (near * weights).sum(axis=1),
        np.full(count, count),
        *(compared - mean).T,
    ]
    return np.concatenate([np.stack(rows, axis=1), features], axis=1).astype(np.float32)


def _nth(ordered: Floats, place: int) -> Floats:
    """A column of the ordered logits of the others; NaN where there are not so many."""
    return _finite(ordered[:, place]) if ordered.shape[1] > place else np.full(len(ordered), np.nan)


def _finite(values: Floats) -> Floats:
    known: Floats = np.where(np.isfinite(values), values, np.nan)
    return known
