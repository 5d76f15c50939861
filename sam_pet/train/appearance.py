"""Train the network on candidates of studies whose lesions are known."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from sam_pet.detection.appearance import suv_of
from sam_pet.detection.appearance_net import AppearanceNetwork
from sam_pet.detection.coarse_batch import SIDE, CoarseBatch
from sam_pet.detection.coarse_study import CELL_MM
from sam_pet.errors import InputError
from sam_pet.train.network import TrainSettings, train_network

Floats = npt.NDArray[np.floating[Any]]
# Candidates to which the prefilter gives less are left out, unless they are lesions.
LEAST = 0.01
# Of a batch, this part is lesions.
_LESIONS = 0.4
_SCALE, _NOISE, _GRAINY = 0.1, 0.08, 0.5
_WITHOUT_FEATURES = 0.3


@dataclass(frozen=True)
class AppearanceExample:
    """The n candidates of one study: places (n, 3) in mm, features, and whether they are lesions.

    `prefiltered` (n,) are probabilities given by trees that were not trained on this study.
    """

    places: Floats
    features: Floats
    positive: npt.NDArray[np.bool_]
    prefiltered: Floats


def train_appearance(
    batch: CoarseBatch,
    examples: Sequence[AppearanceExample],
    training: TrainSettings,
    start: AppearanceNetwork | None = None,
    **options: Any,
) -> AppearanceNetwork:
    """The moving average of a network's weights over a training, on the CPU and in eval mode.

    Hard candidates come oftener: those that are no lesion by the root of `prefiltered`, lesions so that studies with
    many do not drown those with few. On a GPU it computes in bfloat16.

    Args:
        batch: the training studies, on the device to train on.
        examples: one for each study.
        training: how long and how fast.
        start: a network to go on from, left as it is; by default a new one.
        options: of `train_network`, but for the device, which is that of the scenes.

    Raises:
        InputError: no lesion, or nothing else, is likely enough.
    """
    device = batch.pet.device
    drawn = _Candidates.of(examples, device)
    torch.manual_seed(training.seed)
    if start is None:
        start = AppearanceNetwork(examples[0].features.shape[1])
        _standardise(start, np.concatenate([one.features for one in examples]))

    def loss(network: AppearanceNetwork, step: int) -> Tensor:
        generator = torch.Generator(device).manual_seed(training.seed * 1_000_003 + step)
        rows = torch.multinomial(drawn.weights, training.batch, replacement=True, generator=generator)
        features = drawn.features[rows]
        near, far = _varied(batch, drawn, rows, generator)
        feature_mask = (torch.rand(training.batch, 1, device=device, generator=generator) > _WITHOUT_FEATURES).float()
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = network(near, far, features, feature_mask)
        return F.binary_cross_entropy_with_logits(logits.float(), drawn.positive[rows].float())

    return train_network(copy.deepcopy(start), loss, training, name="appearance network", device=device, **options)


@dataclass(frozen=True)
class _Candidates:
    """The likely ones: scenes (n,), places (n, 3), features, whether they are lesions, and how often they come."""

    scenes: Tensor
    places: Tensor
    features: Tensor
    positive: Tensor
    weights: Tensor

    @classmethod
    def of(cls, examples: Sequence[AppearanceExample], device: torch.device) -> _Candidates:
        rows = [np.flatnonzero((one.prefiltered >= LEAST) | one.positive) for one in examples]
        scenes = np.repeat(np.arange(len(examples)), [len(some) for some in rows])
        places, features, positive, prefiltered = (
            np.concatenate([getattr(one, name)[some] for one, some in zip(examples, rows, strict=True)])
            for name in ("places", "features", "positive", "prefiltered")
        )
        if positive.all() or not positive.any():
            raise InputError(
                "appearance: the studies must have likely candidates that are lesions and others; give more"
            )
        counts = np.array([max(int(one.positive.sum()), 1) for one in examples])
        lesion, other = positive / np.sqrt(counts[scenes]), ~positive * np.sqrt(prefiltered)
        weights = _LESIONS * lesion / lesion.sum() + (1 - _LESIONS) * other / other.sum()
        columns = scenes, np.float32(places), np.float32(features), positive, np.float32(weights)
        return cls(*(torch.from_numpy(column).to(device) for column in columns))


def _standardise(network: AppearanceNetwork, features: Floats) -> None:
    known = np.isfinite(features).any(axis=0)
    mean, spread = np.zeros(features.shape[1], np.float32), np.ones(features.shape[1], np.float32)
    mean[known], spread[known] = np.nanmean(features[:, known], axis=0), np.nanstd(features[:, known], axis=0) + 1e-3
    network.mean.copy_(torch.from_numpy(mean))
    network.spread.copy_(torch.from_numpy(spread))


def _varied(batch: CoarseBatch, drawn: _Candidates, rows: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Windows a cell aside at most, uptake scaled, noise added to it half of the time."""
    count, device = len(rows), rows.device

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, device=device, generator=generator)

    places = drawn.places[rows] + CELL_MM * (2 * uniform(count, 3) - 1)
    gain = (_SCALE * torch.randn(count, device=device, generator=generator)).exp()
    noise = torch.randn(count, SIDE, SIDE, SIDE, device=device, generator=generator)
    share = _NOISE * uniform(count) * (uniform(count) < _GRAINY)
    return batch.windows(
        drawn.scenes[rows], places, suv_of(drawn.features[rows]), gain, share.view(-1, 1, 1, 1) * noise
    )
