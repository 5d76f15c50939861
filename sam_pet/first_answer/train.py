"""Train a judge on samples: trees, calibration, and one operating point a tracer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost
from scipy.optimize import minimize
from scipy.special import expit, logit

from sam_pet.first_answer.judge import Judge, Point
from sam_pet.first_answer.loop import best_point
from sam_pet.first_answer.samples import FRACTIONS, Sample
from sam_pet.first_answer.tracer import TRACERS, Tracer

Floats = npt.NDArray[np.floating[Any]]
ASK = 0.03
_FOLDS = 5
_ROUNDS = 250
_TREES = {
    "max_depth": 4,
    "eta": 0.07,
    "subsample": 0.8,
    "colsample_bytree": 0.5,
    "min_child_weight": 3,
    "lambda": 3.0,
    "nthread": 1,
    "tree_method": "hist",
}
_NEVER = 1.01
# The verdict on what a glance rules out.
_OUT = 1e-6


def fit(samples: Sequence[Sample], validation: Sequence[Sample], seed: int = 0, **training: Any) -> Judge:
    """A judge of training samples; calibration and operating points are chosen on what the trees have not seen.

    These are the validation samples, and each fifth of the training samples judged by trees of the other four.

    Args:
        samples: what the trees are trained on.
        validation: of other patients.
        seed: of the trees' random draws and the folds.
        training: what the judge's file shall remember.
    """
    glance = glancer(samples, seed)
    verdict = _boosted(samples, seed, with_model=True)
    extent = _extents(samples, seed)
    unseen: list[Sample] = []
    raw: list[Floats] = []
    fractions: list[npt.NDArray[np.int64]] = []
    folds = np.random.default_rng(seed).permutation(len(samples)) % _FOLDS
    for fold in range(_FOLDS):
        held = [s for s, f in zip(samples, folds, strict=True) if f == fold]
        others = [s for s, f in zip(samples, folds, strict=True) if f != fold]
        if not held or not others:
            continue
        judges = (glancer(others, seed), _boosted(others, seed, with_model=True), _extents(others, seed))
        for one in held:
            unseen.append(one)
            raw.append(_verdicts(one, judges[0], judges[1]))
            fractions.append(_nearest(judges[2], one))
    for one in validation:
        unseen.append(one)
        raw.append(_verdicts(one, glance, verdict))
        fractions.append(_nearest(extent, one))
    pooled = np.concatenate(raw)
    calibration = _platt(pooled[pooled > _OUT], np.concatenate([s.positive for s in unseen])[pooled > _OUT])
    probabilities = [_calibrated(p, calibration) for p in raw]
    points: dict[Tracer, Point] = {}
    chosen: dict[str, Any] = {}
    for tracer in TRACERS:
        rows = [i for i, s in enumerate(unseen) if s.tracer == tracer] or list(range(len(unseen)))
        points[tracer], chosen[tracer] = best_point(
            [unseen[i] for i in rows], [probabilities[i] for i in rows], [fractions[i] for i in rows], ASK
        )
    return Judge.make(
        glance, verdict, extent, calibration, points, _agreement([*samples, *validation], extent),
        {**training, "studies": len(samples), "validation": len(validation), "expected": chosen},
    )  # fmt: skip


def glancer(samples: Sequence[Sample], seed: int = 0) -> xgboost.Booster:
    """The trees that know the study alone."""
    return _boosted(samples, seed, with_model=False)


def _boosted(samples: Sequence[Sample], seed: int, *, with_model: bool) -> xgboost.Booster:
    rows = np.concatenate([_inputs(s, with_model=with_model) for s in samples])
    return _train(rows, np.concatenate([s.positive for s in samples]), "binary:logistic", seed, _ROUNDS)


def _extents(samples: Sequence[Sample], seed: int) -> xgboost.Booster:
    rows = np.concatenate([s.features[s.positive] for s in samples])
    return _train(rows, np.concatenate([FRACTIONS[s.best[s.positive]] for s in samples]), "reg:squarederror", seed, 80)


def _train(rows: Floats, targets: npt.NDArray[Any], objective: str, seed: int, rounds: int) -> xgboost.Booster:
    data = xgboost.DMatrix(np.asarray(rows, np.float32), label=targets.astype(np.float32), missing=np.nan)
    return xgboost.train({**_TREES, "objective": objective, "seed": seed}, data, num_boost_round=rounds)


def _inputs(one: Sample, *, with_model: bool) -> Floats:
    return np.concatenate([one.features, one.said], axis=1) if with_model else one.features


def _verdicts(one: Sample, glance: xgboost.Booster, verdict: xgboost.Booster) -> Floats:
    """As the first answer does: what a glance does not take for possible is out."""
    seen = glance.inplace_predict(one.features, missing=np.nan)
    judged = verdict.inplace_predict(_inputs(one, with_model=True), missing=np.nan)
    return np.where(seen >= ASK, judged, _OUT)


def _nearest(extent: xgboost.Booster, one: Sample) -> npt.NDArray[np.int64]:
    wanted = extent.inplace_predict(one.features, missing=np.nan)
    nearest: npt.NDArray[np.int64] = np.abs(wanted[:, None] - FRACTIONS).argmin(axis=1)
    return nearest


def _platt(raw: Floats, positive: npt.NDArray[np.bool_]) -> tuple[float, float]:
    """Slope and offset of the logit (Platt 1999), by maximum likelihood."""
    logits = logit(np.clip(raw, _OUT, 1 - _OUT))

    def loss(line: Floats) -> float:
        z = line[0] * logits + line[1]
        return float((np.logaddexp(0, z) - positive * z).mean())

    slope, offset = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return float(slope), float(offset)


def _calibrated(raw: Floats, calibration: tuple[float, float]) -> Floats:
    probabilities: Floats = expit(calibration[0] * logit(np.clip(raw, _OUT, 1 - _OUT)) + calibration[1])
    return probabilities


def _agreement(samples: Sequence[Sample], extent: xgboost.Booster) -> float:
    """From which overlap with the region on the model's mask is the better one; never, if it is not."""
    agreement, gain = [], []
    for one in samples:
        rows = np.flatnonzero(one.positive & (one.model_voxels > 0))
        at = _nearest(extent, one)[rows]
        whole = one.sizes[one.lesion[rows] - 1] if rows.size else np.zeros(0)
        model = 2 * one.model_true[rows] / np.maximum(one.model_voxels[rows] + whole, 1)
        region = 2 * one.true[rows, at] / np.maximum(one.voxels[rows, at] + whole, 1)
        agreement += one.said[rows, 1].tolist()
        gain += (model - region).tolist()
    steps = np.arange(0.0, 1.0, 0.1)
    gains = [float(np.array(gain)[np.array(agreement) >= s].sum()) if gain else 0.0 for s in steps]
    best = int(np.argmax(gains))
    return float(steps[best]) if gains[best] > 0 else _NEVER
