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
    spans = list(zip(first.tolist(), ends, strict=True))

    def chosen(margin: float) -> Floats:
        return dice[[a + StrokeRanker.pick(expected[a:b], margin) for a, b in spans]]

    margin = max(_MARGINS, key=lambda m: float(chosen(m).mean()))
    standing = dice[first + KINDS.index("standing")]
    facts: dict[str, Any] = {
        "strokes": len(first),
        "dice_standing": _mean(standing),
        "dice_corrected": _mean(dice[first + CORRECTED]),
        "dice_chosen": _mean(chosen(margin)),
        "dice_of_best": _mean(np.array([dice[a:b].max() for a, b in spans])),
        "lower_than_standing": _mean((chosen(margin) < standing - _WORSE).astype(np.float32)),
    }
    return StrokeRanker.make(_trees(features, dice, seed), margin, facts)


def _numbered(examples: Sequence[RevisionExample]) -> npt.NDArray[np.int64]:
    """The stroke of each outline, counted over all cases."""
    starts = np.cumsum([0, *(int(one.stroke.max(initial=-1)) + 1 for one in examples)])
    return np.concatenate([one.stroke + start for one, start in zip(examples, starts, strict=False)])


def _trees(features: Floats, dice: Floats, seed: int) -> xgboost.Booster:
    data = xgboost.DMatrix(features, label=dice, missing=np.nan)
    return xgboost.train({**_TREES, "seed": seed}, data, num_boost_round=_ROUNDS)


def _mean(values: Floats) -> float:
    return round(float(values.mean()), 4)
