"""Train the ranker: trees that expect a Dice of each outline, and how much better than the corrected one it must be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from sam_pet.proposers.ranker import TUMOR, OutlineRanker, pick
from sam_pet.proposers.revisions import CORRECTED, KINDS
from sam_pet.train.boosted import predict
from sam_pet.train.ranker_examples import RankerExample
from sam_pet.trees import Floats

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
_FOLDS = 5
_ROUNDS = 500
_MARGINS = (0.0, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2)
# A stroke lowers the Dice that falls by more than this.
_WORSE = 0.01
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


def unchecked(groups: Sequence[Sequence[RankerExample]], seed: int = 0) -> OutlineRanker:
    """A ranker like that of `fit`, in a sixth of the time: nobody asks what it gains, and its margin is 0."""
    return OutlineRanker.make(_Table(groups).trees(seed), 0.0, {})


def fit(groups: Sequence[Sequence[RankerExample]], seed: int = 0) -> OutlineRanker:
    """A ranker; its `training` says what it gains on cases that its trees have not seen, by cross-validation.

    Each group is as important as another, and in it first prompts as strokes. The margin is the largest whose mean Dice
    after strokes is within one standard error of the best (Breiman et al. 1984): real strokes are unlike those learned
    from.

    Args:
        groups: examples of cases that belong together, sarcomas and simulated studies, say; one of each case.
        seed: of the trees' random draws and the folds.
    """
    table = _Table(groups)
    fold = (np.random.default_rng(seed).permutation(table.cases) % _FOLDS)[table.case]
    expected = np.zeros_like(table.dice)
    for held in range(_FOLDS):
        unseen = fold == held
        if unseen.any() and not unseen.all():
            expected[unseen] = predict(table.trees(seed, ~unseen), table.features[unseen])
    first, strokes = np.flatnonzero(~table.of_stroke), np.flatnonzero(table.of_stroke)
    chosen = table.chosen(first, lambda a, b: int(expected[a:b].argmax()))
    facts: dict[str, Any] = {
        "prompts": len(first),
        "dice_of_model": table.mean(first, table.dice[table.start[first]]),
        "dice_at_first": table.mean(first, chosen),
        "dice_of_best_at_first": table.mean(first, table.best(first)),
    }
    if not len(strokes):
        return OutlineRanker.make(table.trees(seed), 0.0, facts)

    def after(margin: float) -> Floats:
        return table.chosen(strokes, lambda a, b: pick(expected[a:b], table.features[a:b], margin))

    by_margin = {margin: after(margin) for margin in _MARGINS}
    best = max(by_margin.values(), key=lambda values: table.mean(strokes, values))
    least = table.mean(strokes, best) - table.standard_error(strokes, best)
    margin = max(margin for margin, values in by_margin.items() if table.mean(strokes, values) >= least)
    standing = table.dice[table.start[strokes] + KINDS.index("standing")]
    facts |= {
        "strokes": len(strokes),
        "dice_standing": table.mean(strokes, standing),
        "dice_corrected": table.mean(strokes, table.dice[table.start[strokes] + CORRECTED]),
        "dice_chosen": table.mean(strokes, by_margin[margin]),
        "dice_of_best": table.mean(strokes, table.best(strokes)),
        "lower_than_standing": table.mean(strokes, (by_margin[margin] < standing - _WORSE).astype(np.float32)),
    }
    return OutlineRanker.make(table.trees(seed), margin, facts)


class _Table:
    """All examples: the outlines, and the choices between `start` and `end` of them."""

    def __init__(self, groups: Sequence[Sequence[RankerExample]]) -> None:
        examples = [one for members in groups for one in members]
        counts = [len(one.dice) for one in examples]
        firsts = np.cumsum([0, *(one.choices for one in examples)])[: len(examples)]
        choice = np.concatenate([one.choice + first for one, first in zip(examples, firsts, strict=True)])
        self.cases = len(examples)
        self.features = np.concatenate([one.features for one in examples])
        self.dice = np.concatenate([one.dice for one in examples])
        self.case = np.repeat(np.arange(len(examples)), counts)
        self.start = np.flatnonzero(np.diff(choice, prepend=-1))
        self.end = np.append(self.start[1:], len(choice))
        # By choice: whether a stroke asks for it, and how much it counts.
        self.of_stroke: Bools = np.isfinite(self.features[self.start, TUMOR])
        group = np.repeat(np.arange(len(groups)), [len(members) for members in groups])[self.case[self.start]]
        kind = 2 * group + self.of_stroke
        self.weight: Floats = (len(kind) / len(np.unique(kind)) / np.maximum(np.bincount(kind), 1))[kind]

    def trees(self, seed: int, rows: Bools | None = None) -> xgboost.Booster:
        """Trees that learn from these outlines, all by default."""
        rows = np.ones(len(self.dice), bool) if rows is None else rows
        weights = np.repeat(self.weight, self.end - self.start)[rows]
        data = xgboost.DMatrix(self.features[rows], label=self.dice[rows], weight=weights, missing=np.nan)
        return xgboost.train({**_TREES, "seed": seed}, data, num_boost_round=_ROUNDS)

    def chosen(self, choices: Ints, pick_in: Callable[[int, int], int]) -> Floats:
        """The Dice (n,) of what is picked in each choice, from where its outlines begin and end."""
        spans = zip(self.start[choices].tolist(), self.end[choices].tolist(), strict=True)
        found: Floats = self.dice[[a + pick_in(a, b) for a, b in spans]]
        return found

    def best(self, choices: Ints) -> Floats:
        return self.chosen(choices, lambda a, b: int(self.dice[a:b].argmax()))

    def mean(self, choices: Ints, values: Floats) -> float:
        return round(float(np.average(values, weights=self.weight[choices])), 4) if len(choices) else float("nan")

    def standard_error(self, choices: Ints, values: Floats) -> float:
        """That of the weighted mean of values (n,) of choices, of which those on one case belong together."""
        weights, case = self.weight[choices], self.case[self.start[choices]]
        off = np.bincount(case, weights * (values - np.average(values, weights=weights)))
        return float(np.sqrt((off**2).sum()) / weights.sum())
