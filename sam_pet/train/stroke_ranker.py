"""Train a stroke ranker: trees that expect a Dice of each outline after a stroke."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from sam_pet.proposers.revisions import KINDS
from sam_pet.proposers.stroke_ranker import StrokeRanker
from sam_pet.train.boosted import predict
from sam_pet.train.revision_examples import RevisionExample
from sam_pet.trees import Floats

_FOLDS = 5
_ROUNDS = 300
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


def fit(examples: Sequence[RevisionExample], seed: int = 0) -> StrokeRanker:
    """A stroke ranker; its `training` says what it gains on cases that its trees have not seen, by cross-validation.

    Args:
        examples: one of each case.
        seed: of the trees' random draws and the folds.
    """
    features = np.concatenate([one.features for one in examples])
    dice = np.concatenate([one.dice for one in examples])
    case = np.repeat(np.arange(len(examples)), [len(one.dice) for one in examples])
    stroke = _numbered(examples)
    fold = (np.random.default_rng(seed).permutation(len(examples)) % _FOLDS)[case]
    expected = np.zeros_like(dice)
    for held in range(_FOLDS):
        unseen = fold == held
        if unseen.any() and not unseen.all():
            expected[unseen] = predict(_trees(features[~unseen], dice[~unseen], seed), features[unseen])
    first = np.flatnonzero(np.diff(stroke, prepend=-1))
    ends = [*first[1:].tolist(), len(stroke)]
    chosen = np.array([a + int(expected[a:b].argmax()) for a, b in zip(first.tolist(), ends, strict=True)])
    best = [float(dice[a:b].max()) for a, b in zip(first.tolist(), ends, strict=True)]
    facts: dict[str, Any] = {
        "strokes": len(first),
        "dice_standing": _mean(dice[first + KINDS.index("standing")]),
        "dice_corrected": _mean(dice[first + KINDS.index("corrected")]),
        "dice_chosen": _mean(dice[chosen]),
        "dice_of_best": _mean(np.array(best)),
    }
    return StrokeRanker.make(_trees(features, dice, seed), facts)


def _numbered(examples: Sequence[RevisionExample]) -> npt.NDArray[np.int64]:
    """The stroke of each outline, counted over all cases."""
    starts = np.cumsum([0, *(int(one.stroke.max(initial=-1)) + 1 for one in examples)])
    return np.concatenate([one.stroke + start for one, start in zip(examples, starts, strict=False)])


def _trees(features: Floats, dice: Floats, seed: int) -> xgboost.Booster:
    data = xgboost.DMatrix(features, label=dice, missing=np.nan)
    return xgboost.train({**_TREES, "seed": seed}, data, num_boost_round=_ROUNDS)


def _mean(values: Floats) -> float:
    return round(float(values.mean()), 4)
