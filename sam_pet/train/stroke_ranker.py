"""Train a stroke ranker: trees that expect a Dice of each outline after a stroke."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from sam_pet.proposers.revisions import CORRECTED, KINDS
from sam_pet.proposers.stroke_ranker import StrokeRanker
from sam_pet.train.boosted import predict
from sam_pet.train.revision_examples import RevisionExample
from sam_pet.trees import Floats

_FOLDS = 5
_ROUNDS = 300
_MARGINS = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2)
# A stroke lowers the Dice that falls by more than this.
_WORSE = 0.01
_TREES = {
    "objective": "reg:squarederror",
    "max_depth": 6,
    "eta": 0.04,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "min_child_weight": 5,
    "lambda": 3.0,
    "nthread": 1,
    "tree_method": "hist",
}


def fit(groups: Sequence[Sequence[RevisionExample]], seed: int = 0) -> StrokeRanker:
    """A stroke ranker; its `training` says what it gains on cases that its trees have not seen, by cross-validation.

    Each group is as important as another, for the trees and for the margin. The margin is the largest whose mean Dice
    is within one standard error of the best (Breiman et al. 1984): real strokes are unlike those learned from.

    Args:
        groups: examples of cases that belong together, sarcomas and simulated studies, say; one of each case.
        seed: of the trees' random draws and the folds.
    """
    examples = [one for members in groups for one in members]
    features = np.concatenate([one.features for one in examples])
    dice = np.concatenate([one.dice for one in examples])
    case = np.repeat(np.arange(len(examples)), [len(one.dice) for one in examples])
    stroke = _numbered(examples)
    weights = _weights(groups, stroke)
    fold = (np.random.default_rng(seed).permutation(len(examples)) % _FOLDS)[case]
    expected = np.zeros_like(dice)
    for held in range(_FOLDS):
        unseen = fold == held
        if unseen.any() and not unseen.all():
            trees = _trees(features[~unseen], dice[~unseen], weights[~unseen], seed)
            expected[unseen] = predict(trees, features[unseen])
    first = np.flatnonzero(np.diff(stroke, prepend=-1))
    ends = [*first[1:].tolist(), len(stroke)]
    spans = list(zip(first.tolist(), ends, strict=True))

    def mean(values: Floats) -> float:
        return round(float(np.average(values, weights=weights[first])), 4)

    chosen = {
        margin: dice[[a + StrokeRanker.pick(expected[a:b], features[a:b], margin) for a, b in spans]]
        for margin in _MARGINS
    }
    best = max(chosen.values(), key=mean)
    least = mean(best) - _standard_error(best, weights[first], case[first])
    margin = max(margin for margin, picked in chosen.items() if mean(picked) >= least)
    standing = dice[first + KINDS.index("standing")]
    facts: dict[str, Any] = {
        "strokes": len(first),
        "dice_standing": mean(standing),
        "dice_corrected": mean(dice[first + CORRECTED]),
        "dice_chosen": mean(chosen[margin]),
        "dice_of_best": mean(np.array([dice[a:b].max() for a, b in spans])),
        "lower_than_standing": mean((chosen[margin] < standing - _WORSE).astype(np.float32)),
    }
    return StrokeRanker.make(_trees(features, dice, weights, seed), margin, facts)


def _numbered(examples: Sequence[RevisionExample]) -> npt.NDArray[np.int64]:
    """The stroke of each outline, counted over all cases."""
    starts = np.cumsum([0, *(int(one.stroke.max(initial=-1)) + 1 for one in examples)])
    return np.concatenate([one.stroke + start for one, start in zip(examples, starts, strict=False)])


def _weights(groups: Sequence[Sequence[RevisionExample]], stroke: npt.NDArray[np.int64]) -> Floats:
    """How much each outline counts: groups alike, and the strokes of a group alike."""
    counts = [sum(len(one.dice) for one in members) for members in groups]
    group = np.repeat(np.arange(len(groups)), counts)
    starts = np.diff(stroke, prepend=-1) > 0
    strokes = np.bincount(group, starts)
    found: Floats = (len(np.unique(stroke)) / len(groups) / strokes)[group]
    return found


def _standard_error(values: Floats, weights: Floats, case: npt.NDArray[np.int64]) -> float:
    """That of the weighted mean of strokes (n,), of which those on one case belong together."""
    total = np.bincount(case, weights)
    off = np.bincount(case, weights * (values - np.average(values, weights=weights)))
    return float(np.sqrt((off**2).sum()) / total.sum())


def _trees(features: Floats, dice: Floats, weights: Floats, seed: int) -> xgboost.Booster:
    data = xgboost.DMatrix(features, label=dice, weight=weights, missing=np.nan)
    return xgboost.train({**_TREES, "seed": seed}, data, num_boost_round=_ROUNDS)
