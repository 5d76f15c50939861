"""Train the network on candidates of studies whose lesions are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from sam_pet.appearance.appearance import suv_of
from sam_pet.appearance.network import AppearanceNetwork
from sam_pet.appearance.scene import CELL_MM, SIDE, Scene
from sam_pet.errors import InputError

Floats = npt.NDArray[np.floating[Any]]
# What a glance gives less than this is not worth a look.
LEAST = 0.01
# Of a batch, this part is lesions.
_LESIONS = 0.4
_SCALE, _NOISE, _GRAINY = 0.1, 0.08, 0.5
_UNHEARD = 0.3
_WARMUP, _LEAST_RATE = 50, 0.01
_AVERAGED = 0.995
_DECAY = 0.03


@dataclass(frozen=True)
class Lesson:
    """The n candidates of one study: places (n, 3) in mm, features, whether they are lesions, and glances at them.

    `glances` (n,) are probabilities given by trees that were not trained on this study.
    """

    scene: Scene
    places: Floats
    features: Floats
    positive: npt.NDArray[np.bool_]
    glances: Floats


@dataclass(frozen=True)
class Course:
    """How long and how fast the network learns."""

    steps: int = 4000
    batch: int = 48
    rate: float = 2e-3
    seed: int = 0


def train_appearance(
    lessons: Sequence[Lesson], course: Course, report: Callable[[int, float], None] | None = None
) -> AppearanceNetwork:
    """The moving average of a network's weights over the course, in eval mode.

    Hard candidates come oftener: others by the root of their glance, lesions so that studies with many do not drown
    those with few.

    Args:
        lessons: of the training studies.
        course: its length and speed.
        report: called after each step with its number and loss.

    Raises:
        InputError: no lesion, or nothing else, is worth a look.
    """
    rows = np.array([(i, j) for i, one in enumerate(lessons) for j in np.flatnonzero(one.glances >= LEAST)], np.int64)
    rows = rows.reshape(-1, 2)
    positive = np.array([lessons[i].positive[j] for i, j in rows], bool)
    if positive.all() or not positive.any():
        raise InputError("appearance: the studies must have likely candidates that are lesions and others; give more")
    weights = _weights(lessons, rows, positive)
    torch.manual_seed(course.seed)
    network = AppearanceNetwork(lessons[0].features.shape[1])
    _standardise(network, np.concatenate([one.features for one in lessons]))
    averaged = [p.detach().clone() for p in network.parameters()]
    optimizer = torch.optim.AdamW(network.parameters(), lr=course.rate, weight_decay=_DECAY)
    for step in range(course.steps):
        rng = np.random.default_rng([course.seed, step])
        for group in optimizer.param_groups:
            group["lr"] = course.rate * _schedule(step, course.steps)
        chosen = rng.choice(len(rows), course.batch, p=weights)
        windows = [_varied(lessons[i], j, rng) for i, j in rows[chosen]]
        near, far, features = (torch.from_numpy(np.stack(part)) for part in zip(*windows, strict=True))
        heard = torch.from_numpy((rng.random((course.batch, 1)) > _UNHEARD).astype(np.float32))
        truth = torch.from_numpy(positive[chosen].astype(np.float32))
        loss = F.binary_cross_entropy_with_logits(network(near, far, features, heard), truth)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        kept = min(_AVERAGED, (1 + step) / (10 + step))
        with torch.no_grad():
            for mean, value in zip(averaged, network.parameters(), strict=True):
                mean.lerp_(value, 1 - kept)
        if report is not None:
            report(step + 1, loss.item())
    with torch.no_grad():
        for value, mean in zip(network.parameters(), averaged, strict=True):
            value.copy_(mean)
    return network.eval()


def _weights(lessons: Sequence[Lesson], rows: npt.NDArray[np.int64], positive: npt.NDArray[np.bool_]) -> Floats:
    counts = np.array([max(int(one.positive.sum()), 1) for one in lessons])
    lesion = positive / np.sqrt(counts[rows[:, 0]])
    other = ~positive * np.sqrt([float(lessons[i].glances[j]) for i, j in rows])
    weights: Floats = _LESIONS * lesion / lesion.sum() + (1 - _LESIONS) * other / other.sum()
    return weights


def _standardise(network: AppearanceNetwork, features: Floats) -> None:
    known = np.isfinite(features).any(axis=0)
    mean, spread = np.zeros(features.shape[1], np.float32), np.ones(features.shape[1], np.float32)
    mean[known], spread[known] = np.nanmean(features[:, known], axis=0), np.nanstd(features[:, known], axis=0) + 1e-3
    network.mean.copy_(torch.from_numpy(mean))
    network.spread.copy_(torch.from_numpy(spread))


def _schedule(step: int, steps: int) -> float:
    cosine = 0.5 * (1 + np.cos(np.pi * step / steps))
    return float(min(1.0, (step + 1) / _WARMUP) * (cosine * (1 - _LEAST_RATE) + _LEAST_RATE))


def _varied(lesson: Lesson, row: int, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    """Windows a cell aside at most, uptake scaled, noise added to it half of the time."""
    place = lesson.places[row] + rng.uniform(-CELL_MM, CELL_MM, 3)
    features = lesson.features[row].astype(np.float32)
    gain = float(np.exp(rng.normal(0, _SCALE)))
    grain = (
        np.float32(rng.uniform(0, _NOISE)) * rng.standard_normal((SIDE,) * 3, np.float32)
        if rng.random() < _GRAINY
        else None
    )
    near, far = lesson.scene.windows(place, suv_of(features), gain, grain)
    return near, far, features
