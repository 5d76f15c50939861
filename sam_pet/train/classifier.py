"""Train the lesion classifier on samples: trees, calibration, and one operating point a tracer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
import xgboost
from scipy.optimize import minimize
from scipy.special import expit, logit

from sam_pet.detection.appearance import Appearance
from sam_pet.detection.classifier import LEAST_PREFILTER, LesionClassifier, OperatingPoint, bounded
from sam_pet.detection.context import describe_context
from sam_pet.detection.tracer import TRACERS, Tracer
from sam_pet.errors import InputError
from sam_pet.train.boosted import booster, predict
from sam_pet.train.candidate_examples import FRACTIONS, CandidateExample
from sam_pet.train.operating_point import best_operating_point

Floats = npt.NDArray[np.floating[Any]]
T = TypeVar("T")
# Folds are dealt runs of samples: those of one patient stand beside each other.
_FOLDS, _RUNS = 5, 40
_ROUNDS, _EXTENT_ROUNDS = 1000, 80
# Of the trees that rescore candidates beside each other: some at once, so that the surest depend less on chance.
_CONTEXT_ROUNDS, _AT_ONCE = 600, 3
_TREES = {
    "max_depth": 6,
    "eta": 0.05,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "min_child_weight": 5,
    "lambda": 3.0,
    "nthread": 1,
    "tree_method": "hist",
}
# The probability of what the prefilter rules out.
_OUT = 1e-6


def fit(
    samples: Sequence[CandidateExample],
    validation: Sequence[CandidateExample],
    seed: int = 0,
    appearance: Appearance | None = None,
    prefilter: xgboost.Booster | None = None,
    **training: Any,
) -> LesionClassifier:
    """A classifier of training samples. What follows the first trees learns from samples that they have not seen.

    These are the validation samples, and each fifth of the training samples by trees of the other four; with an
    appearance network, which has seen the training samples, the validation samples alone. On them calibration and the
    trees that rescore candidates beside each other are fitted, and operating points chosen, these with each fifth
    rescored by trees of the other four.

    Args:
        samples: what the trees are trained on, those of one patient in a row.
        validation: of other patients, likewise, with the logits of `appearance`.
        seed: of the trees' random draws.
        appearance: the network that stands beside the trees.
        prefilter: what `train_prefilter` makes of these samples, if it is there already.
        training: what the classifier's file shall remember.

    Raises:
        InputError: a network, and no validation samples with its logits.
    """
    trees = _Trees.of(samples, seed, prefilter)
    unseen = [(validation, trees)]
    if appearance is None:
        unseen += [([samples[i] for i in held], _Trees.of(others, seed)) for held, others in folds(samples)]
    return _calibrate(trees, unseen, seed, appearance, {**training, "studies": len(samples)})


def refit(classifier: LesionClassifier, validation: Sequence[CandidateExample], seed: int = 0) -> LesionClassifier:
    """A classifier with the first trees and the network of another; calibration, context and thresholds are new.

    Args:
        classifier: neither its trees nor its network have seen the samples.
        validation: see `fit`.
        seed: of the trees' random draws.

    Raises:
        InputError: the classifier's trees depend on the tracker's lesions of clicks at candidates.
    """
    if classifier.uses_model:
        raise InputError("lesion classifier: the base's first trees ask the tracker; train new ones")
    trees = _Trees(booster(classifier.content.glance), None, booster(classifier.content.extent))
    return _calibrate(trees, [(validation, trees)], seed, classifier.appearance, {})


def _calibrate(
    trees: _Trees,
    unseen: Sequence[tuple[Sequence[CandidateExample], _Trees]],
    seed: int,
    appearance: Appearance | None,
    training: dict[str, Any],
) -> LesionClassifier:
    """A classifier of first trees; samples come with trees that have not seen them."""
    samples = [one for some, _ in unseen for one in some]
    raw = [their.probability_of(one) for some, their in unseen for one in some]
    fractions = [their.extents_of(one) for some, their in unseen for one in some]
    if appearance is not None and not any(np.isfinite(one.cnn_logits).any() for one in samples):
        raise InputError("lesion classifier: the appearance network has looked at no validation study; give some")
    cnn_logits = [bounded(one.cnn_logits) for one in samples] if appearance is not None else [0 * r for r in raw]
    calibration = _platt(
        np.concatenate(raw), np.concatenate(cnn_logits), np.concatenate([one.positive for one in samples])
    )  # fmt: skip
    alone = [_calibrated(p, q, calibration) for p, q in zip(raw, cnn_logits, strict=True)]
    contexts = [_Context.of(one, p, q, a) for one, p, q, a in zip(samples, raw, cnn_logits, alone, strict=True)]
    probabilities = list(alone)
    for held, others in folds(contexts):
        trees_of_others = _context(others, seed)
        for i in held:
            probabilities[i] = contexts[i].rescored(trees_of_others)
    points: dict[Tracer, OperatingPoint] = {}
    chosen: dict[str, Any] = {}
    for tracer in TRACERS:
        rows = [i for i, s in enumerate(samples) if s.tracer == tracer] or list(range(len(samples)))
        points[tracer], chosen[tracer] = best_operating_point(
            [samples[i] for i in rows], [probabilities[i] for i in rows], [fractions[i] for i in rows], LEAST_PREFILTER
        )
    return LesionClassifier.make(
        trees.prefilter, trees.probability, trees.extent, _context(contexts, seed), calibration, points,
        {**training, "validation": len(unseen[0][0]), "expected": chosen}, appearance,
    )  # fmt: skip


def folds(samples: Sequence[T]) -> Iterator[tuple[list[int], list[T]]]:
    """Numbers of a part of the samples with all others; each sample is in one part, mostly with its neighbours."""
    parts = np.arange(len(samples)) * _RUNS // max(len(samples), 1) % _FOLDS
    for part in range(_FOLDS):
        held = np.flatnonzero(parts == part).tolist()
        others = [one for one, p in zip(samples, parts, strict=True) if p != part]
        if held and others:
            yield held, others


def prefiltered(samples: Sequence[CandidateExample], seed: int = 0) -> list[Floats]:
    """Probabilities of the candidates of each sample by trees that have not seen it."""
    found: list[Floats] = [np.zeros(len(one.features)) for one in samples]
    for held, others in folds(samples):
        booster = train_prefilter(others, seed)
        for i in held:
            found[i] = predict(booster, samples[i].features)
    return found


def train_prefilter(samples: Sequence[CandidateExample], seed: int = 0) -> xgboost.Booster:
    """The trees that know the study alone."""
    return _boosted(samples, seed, with_model=False)


@dataclass(frozen=True)
class _Trees:
    prefilter: xgboost.Booster
    probability: xgboost.Booster | None
    extent: xgboost.Booster

    @classmethod
    def of(cls, samples: Sequence[CandidateExample], seed: int, prefilter: xgboost.Booster | None = None) -> Self:
        uses_model = any(np.isfinite(one.model_features).any() for one in samples)
        probability = _boosted(samples, seed, with_model=True) if uses_model else None
        return cls(prefilter or train_prefilter(samples, seed), probability, _extents(samples, seed))

    def probability_of(self, one: CandidateExample) -> Floats:
        """As the first answer does: what the prefilter rules out stays out."""
        seen = predict(self.prefilter, one.features)
        if self.probability is None:
            return np.where(seen >= LEAST_PREFILTER, seen, _OUT)
        return np.where(seen >= LEAST_PREFILTER, predict(self.probability, _inputs(one, with_model=True)), _OUT)

    def extents_of(self, one: CandidateExample) -> npt.NDArray[np.int64]:
        """Which of the extents is nearest to the one that the trees want."""
        wanted = predict(self.extent, one.features)
        nearest: npt.NDArray[np.int64] = np.abs(wanted[:, None] - FRACTIONS).argmin(axis=1)
        return nearest


@dataclass(frozen=True)
class _Context:
    """The likely candidates (`rows`) of a sample beside each other."""

    sample: CandidateExample
    alone: Floats
    rows: npt.NDArray[np.int64]
    features: Floats

    @classmethod
    def of(cls, one: CandidateExample, raw: Floats, cnn_logits: Floats, alone: Floats) -> Self:
        rows = np.flatnonzero(raw > _OUT)
        known = describe_context(alone[rows], cnn_logits[rows], one.features[rows], one.places[rows])
        return cls(one, alone, rows, known)

    def rescored(self, trees: xgboost.Booster) -> Floats:
        found = self.alone.copy()
        found[self.rows] = predict(trees, self.features)
        return found


def _context(contexts: Sequence[_Context], seed: int) -> xgboost.Booster:
    rows = np.concatenate([one.features for one in contexts])
    truth = np.concatenate([one.sample.positive[one.rows] for one in contexts])
    return _train(rows, truth, "binary:logistic", seed, _CONTEXT_ROUNDS, _AT_ONCE)


def _boosted(samples: Sequence[CandidateExample], seed: int, *, with_model: bool) -> xgboost.Booster:
    rows = np.concatenate([_inputs(s, with_model=with_model) for s in samples])
    return _train(rows, np.concatenate([s.positive for s in samples]), "binary:logistic", seed, _ROUNDS)


def _extents(samples: Sequence[CandidateExample], seed: int) -> xgboost.Booster:
    rows = np.concatenate([s.features[s.positive] for s in samples])
    return _train(
        rows, np.concatenate([FRACTIONS[s.best[s.positive]] for s in samples]), "reg:squarederror", seed, _EXTENT_ROUNDS
    )


def _train(
    rows: Floats, targets: npt.NDArray[Any], objective: str, seed: int, rounds: int, at_once: int = 1
) -> xgboost.Booster:
    data = xgboost.DMatrix(np.asarray(rows, np.float32), label=targets.astype(np.float32), missing=np.nan)
    settings = {**_TREES, "objective": objective, "seed": seed, "num_parallel_tree": at_once}
    return xgboost.train(settings, data, num_boost_round=rounds)


def _inputs(one: CandidateExample, *, with_model: bool) -> Floats:
    return np.concatenate([one.features, one.model_features], axis=1) if with_model else one.features


def _platt(raw: Floats, cnn_logits: Floats, positive: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Weights of both logits and an offset by maximum likelihood (Platt 1999), on what the prefilter lets through."""
    possible = raw > _OUT
    of_trees, of_network = logit(np.clip(raw[possible], _OUT, 1 - _OUT)), cnn_logits[possible]
    truth, seen = positive[possible], bool(of_network.any())

    def loss(line: Floats) -> float:
        z = line[0] * of_trees + line[1] * of_network + line[2]
        return float((np.logaddexp(0, z) - truth * z).mean())

    start = np.array([0.5, 0.5, 0.0]) if seen else np.array([1.0, 0.0, 0.0])
    first, second, offset = minimize(loss, start, method="Nelder-Mead").x
    return float(first), float(second) if seen else 0.0, float(offset)


def _calibrated(raw: Floats, cnn_logits: Floats, calibration: tuple[float, float, float]) -> Floats:
    of_trees, of_network, offset = calibration
    probabilities: Floats = expit(of_trees * logit(np.clip(raw, _OUT, 1 - _OUT)) + of_network * cnn_logits + offset)
    return np.where(raw > _OUT, probabilities, _OUT)
