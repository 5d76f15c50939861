"""Train a judge on samples: trees, calibration, and one operating point a tracer."""

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
from sam_pet.detection.classifier import ASK, LesionClassifier, Point, bounded
from sam_pet.detection.context import describe_context
from sam_pet.detection.tracer import TRACERS, Tracer
from sam_pet.errors import InputError
from sam_pet.train.boosted import booster, predict
from sam_pet.train.candidate_examples import FRACTIONS, CandidateExample
from sam_pet.train.operating_point import best_point

Floats = npt.NDArray[np.floating[Any]]
T = TypeVar("T")
# Folds are dealt runs of samples: those of one patient stand beside each other.
_FOLDS, _RUNS = 5, 40
_ROUNDS, _EXTENT_ROUNDS = 1000, 80
# Of the trees that weigh candidates beside each other: some at once, so that chance has less of a say in the surest.
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
# The verdict on what a glance rules out.
_OUT = 1e-6


def fit(
    samples: Sequence[CandidateExample],
    validation: Sequence[CandidateExample],
    seed: int = 0,
    appearance: Appearance | None = None,
    glance: xgboost.Booster | None = None,
    **training: Any,
) -> LesionClassifier:
    """A judge of training samples; what weighs its verdicts learns from samples that the first trees have not seen.

    These are the validation samples, and each fifth of the training samples judged by trees of the other four; with an
    appearance network, which has seen the training samples, the validation samples alone. On them calibration and the
    trees that weigh candidates beside each other are fitted, and operating points chosen, these with each fifth
    weighed by trees of the other four.

    Args:
        samples: what the trees are trained on, those of one patient in a row.
        validation: of other patients, likewise, with the looks of `appearance`.
        seed: of the trees' random draws.
        appearance: the network that stands beside the trees.
        glance: what `glancer` makes of these samples, if it is there already.
        training: what the judge's file shall remember.

    Raises:
        InputError: a network, and no validation samples that it has looked at.
    """
    trees = _Trees.of(samples, seed, glance)
    judged = [(validation, trees)]
    if appearance is None:
        judged += [([samples[i] for i in held], _Trees.of(others, seed)) for held, others in folds(samples)]
    return _weighed(trees, judged, seed, appearance, {**training, "studies": len(samples)})


def refit(judge: LesionClassifier, validation: Sequence[CandidateExample], seed: int = 0) -> LesionClassifier:
    """A judge with the first trees and the appearance network of another; all that weighs their verdicts is new.

    Args:
        judge: neither its trees nor its network have seen the samples.
        validation: see `fit`.
        seed: of the trees' random draws.

    Raises:
        InputError: the judge's trees depend on what the tracker says of candidates.
    """
    if judge.listens:
        raise InputError("lesion classifier: the base's first trees ask the tracker; train new ones")
    trees = _Trees(booster(judge.content.glance), None, booster(judge.content.extent))
    return _weighed(trees, [(validation, trees)], seed, judge.appearance, {})


def _weighed(
    trees: _Trees,
    judged: Sequence[tuple[Sequence[CandidateExample], _Trees]],
    seed: int,
    appearance: Appearance | None,
    training: dict[str, Any],
) -> LesionClassifier:
    """A judge of first trees; samples come with trees that have not seen them."""
    unseen = [one for some, _ in judged for one in some]
    raw = [their.verdict_of(one) for some, their in judged for one in some]
    fractions = [their.extents_of(one) for some, their in judged for one in some]
    if appearance is not None and not any(np.isfinite(one.looks).any() for one in unseen):
        raise InputError("lesion classifier: the appearance network has looked at no validation study; give some")
    looks = [bounded(one.looks) for one in unseen] if appearance is not None else [0 * r for r in raw]
    calibration = _platt(
        np.concatenate(raw), np.concatenate(looks), np.concatenate([one.positive for one in unseen])
    )  # fmt: skip
    verdicts = [_calibrated(p, q, calibration) for p, q in zip(raw, looks, strict=True)]
    settings = [_Setting.of(one, p, q, v) for one, p, q, v in zip(unseen, raw, looks, verdicts, strict=True)]
    probabilities = list(verdicts)
    for held, others in folds(settings):
        trees_of_others = _context(others, seed)
        for i in held:
            probabilities[i] = settings[i].weighed(trees_of_others)
    points: dict[Tracer, Point] = {}
    chosen: dict[str, Any] = {}
    for tracer in TRACERS:
        rows = [i for i, s in enumerate(unseen) if s.tracer == tracer] or list(range(len(unseen)))
        points[tracer], chosen[tracer] = best_point(
            [unseen[i] for i in rows], [probabilities[i] for i in rows], [fractions[i] for i in rows], ASK
        )
    return LesionClassifier.make(
        trees.glance, trees.verdict, trees.extent, _context(settings, seed), calibration, points,
        {**training, "validation": len(judged[0][0]), "expected": chosen}, appearance,
    )  # fmt: skip


def folds(samples: Sequence[T]) -> Iterator[tuple[list[int], list[T]]]:
    """Numbers of a part of the samples with all others; each sample is in one part, mostly with its neighbours."""
    parts = np.arange(len(samples)) * _RUNS // max(len(samples), 1) % _FOLDS
    for part in range(_FOLDS):
        held = np.flatnonzero(parts == part).tolist()
        others = [one for one, p in zip(samples, parts, strict=True) if p != part]
        if held and others:
            yield held, others


def glances(samples: Sequence[CandidateExample], seed: int = 0) -> list[Floats]:
    """Probabilities of the candidates of each sample by trees that have not seen it."""
    found: list[Floats] = [np.zeros(len(one.features)) for one in samples]
    for held, others in folds(samples):
        booster = glancer(others, seed)
        for i in held:
            found[i] = predict(booster, samples[i].features)
    return found


def glancer(samples: Sequence[CandidateExample], seed: int = 0) -> xgboost.Booster:
    """The trees that know the study alone."""
    return _boosted(samples, seed, with_model=False)


@dataclass(frozen=True)
class _Trees:
    glance: xgboost.Booster
    verdict: xgboost.Booster | None
    extent: xgboost.Booster

    @classmethod
    def of(cls, samples: Sequence[CandidateExample], seed: int, glance: xgboost.Booster | None = None) -> Self:
        heard = any(np.isfinite(one.said).any() for one in samples)
        verdict = _boosted(samples, seed, with_model=True) if heard else None
        return cls(glance or glancer(samples, seed), verdict, _extents(samples, seed))

    def verdict_of(self, one: CandidateExample) -> Floats:
        """As the first answer does: what a glance does not take for possible is out."""
        seen = predict(self.glance, one.features)
        if self.verdict is None:
            return np.where(seen >= ASK, seen, _OUT)
        return np.where(seen >= ASK, predict(self.verdict, _inputs(one, with_model=True)), _OUT)

    def extents_of(self, one: CandidateExample) -> npt.NDArray[np.int64]:
        """Which of the extents is nearest to the one that the trees want."""
        wanted = predict(self.extent, one.features)
        nearest: npt.NDArray[np.int64] = np.abs(wanted[:, None] - FRACTIONS).argmin(axis=1)
        return nearest


@dataclass(frozen=True)
class _Setting:
    """The likely candidates (`rows`) of a sample beside each other."""

    sample: CandidateExample
    verdicts: Floats
    rows: npt.NDArray[np.int64]
    features: Floats

    @classmethod
    def of(cls, one: CandidateExample, raw: Floats, looks: Floats, verdicts: Floats) -> Self:
        rows = np.flatnonzero(raw > _OUT)
        known = describe_context(verdicts[rows], looks[rows], one.features[rows], one.places[rows])
        return cls(one, verdicts, rows, known)

    def weighed(self, trees: xgboost.Booster) -> Floats:
        found = self.verdicts.copy()
        found[self.rows] = predict(trees, self.features)
        return found


def _context(settings: Sequence[_Setting], seed: int) -> xgboost.Booster:
    rows = np.concatenate([one.features for one in settings])
    truth = np.concatenate([one.sample.positive[one.rows] for one in settings])
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
    return np.concatenate([one.features, one.said], axis=1) if with_model else one.features


def _platt(raw: Floats, looks: Floats, positive: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Weights of both logits and an offset by maximum likelihood (Platt 1999), on what a glance does not rule out."""
    possible = raw > _OUT
    judged, looked, truth = logit(np.clip(raw[possible], _OUT, 1 - _OUT)), looks[possible], positive[possible]
    seen = bool(looked.any())

    def loss(line: Floats) -> float:
        z = line[0] * judged + line[1] * looked + line[2]
        return float((np.logaddexp(0, z) - truth * z).mean())

    start = np.array([0.5, 0.5, 0.0]) if seen else np.array([1.0, 0.0, 0.0])
    first, second, offset = minimize(loss, start, method="Nelder-Mead").x
    return float(first), float(second) if seen else 0.0, float(offset)


def _calibrated(raw: Floats, looks: Floats, calibration: tuple[float, float, float]) -> Floats:
    judged, looked, offset = calibration
    probabilities: Floats = expit(judged * logit(np.clip(raw, _OUT, 1 - _OUT)) + looked * looks + offset)
    return np.where(raw > _OUT, probabilities, _OUT)
