"""Train the outline ranker: trees that expect a Dice of each outline, and the margin for the widest cube."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xgboost

from sam_pet.proposers.ranker import OutlineRanker
from sam_pet.train.boosted import predict
from sam_pet.train.ranker_examples import RankerExample
from sam_pet.trees import Floats

_FOLDS = 5
_ROUNDS = 400
_TREES = {
    "objective": "reg:squarederror",
    "max_depth": 6,
    "eta": 0.03,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "min_child_weight": 5,
    "lambda": 3.0,
    "nthread": 1,
    "tree_method": "hist",
}
_MARGINS = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1)


def fit(groups: Sequence[Sequence[RankerExample]], seed: int = 0, **training: Any) -> OutlineRanker:
    """A ranker of groups of examples, each group as important as another.

    The margin is the one with the highest Dice on examples that the trees have not seen: each fifth is ranked by
    trees of the other four.

    Args:
        groups: examples of cases that belong together, sarcomas and simulated studies, say.
        seed: of the trees' random draws and the folds.
        training: what the ranker's file shall remember.
    """
    examples = [example for group in groups for example in group]
    counts = [len(example.dice) for example in examples]
    features, dice = (np.concatenate([getattr(example, name) for example in examples]) for name in ("features", "dice"))
    group = np.repeat([number for number, members in enumerate(groups) for _ in members], counts)
    fold = np.repeat(np.random.default_rng(seed).permutation(len(examples)) % _FOLDS, counts)
    weights = (len(group) / len(groups) / np.bincount(group))[group]
    expected = np.zeros_like(dice)
    for held in range(_FOLDS):
        unseen = fold == held
        if unseen.any() and not unseen.all():
            expected[unseen] = _expected(
                _trees(features[~unseen], dice[~unseen], weights[~unseen], seed), features[unseen]
            )

    def by_group(picked: Floats) -> list[float]:
        means: list[float] = (np.bincount(group, picked) / np.bincount(group)).tolist()
        return means

    def chosen(margin: float) -> list[float]:
        return by_group(dice[np.arange(len(dice)), OutlineRanker.best(expected, features, margin)])

    margin = max(_MARGINS, key=lambda m: float(np.mean(chosen(m))))
    facts = {
        "prompts": np.bincount(group).tolist(),
        "dice_of_model": by_group(dice[:, 0]),
        "dice_chosen": chosen(margin),
    }
    trees = _trees(features, dice, weights, seed)
    return OutlineRanker.make(trees, margin, {**training, **facts, "dice_of_best": by_group(np.nanmax(dice, axis=1))})


def _trees(features: Floats, dice: Floats, weights: Floats, seed: int) -> xgboost.Booster:
    known = np.isfinite(dice)
    spread = np.broadcast_to(weights[:, None], dice.shape)
    data = xgboost.DMatrix(features[known], label=dice[known], weight=spread[known], missing=np.nan)
    return xgboost.train({**_TREES, "seed": seed}, data, num_boost_round=_ROUNDS)


def _expected(trees: xgboost.Booster, features: Floats) -> Floats:
    known = np.isfinite(features).any(axis=-1)
    expected = np.full(known.shape, -np.inf, np.float32)
    expected[known] = predict(trees, features[known])
    return expected
