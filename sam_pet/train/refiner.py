"""Training of the refiner: examples, a simulated reader that corrects what it answers, and its losses."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from sam_pet.boxes import LOGIT_LIMIT
from sam_pet.proposers.refiner import new_network
from sam_pet.proposers.refiner_input import RefinerInput
from sam_pet.proposers.refiner_settings import RefinerSettings
from sam_pet.proposers.unet import UNet, answer
from sam_pet.readers.scribbles import STRATEGIES, draw_scribble
from sam_pet.study import AIR_HU
from sam_pet.train.losses import entropy_and_dice
from sam_pet.train.network import TrainSettings, train_network
from sam_pet.train.refiner_examples import RefinerExample

Rng = np.random.Generator
Groups = Sequence[tuple[Sequence[Path], float]]


# Of a simulated reader, on what the network answers.
_STROKES = 3


def train_refiner(
    groups: Groups,
    settings: RefinerSettings,
    training: TrainSettings,
    start: UNet | None = None,
    **options: Any,
) -> UNet:
    """A trained network, the moving average of the weights; the same arguments give the same weights.

    Args:
        groups: example files and how often each group is drawn from.
        settings: of the refiner.
        training: how long and how fast.
        start: a network to go on from, left as it is; by default a new one.
        options: of `train_network`.
    """
    torch.manual_seed(training.seed)
    chances = np.array([weight for _, weight in groups]) / sum(weight for _, weight in groups)

    def loss(network: UNet, step: int) -> Tensor:
        rng = np.random.default_rng([training.seed, step])
        examples = []
        for _ in range(training.batch):
            files = groups[int(rng.choice(len(groups), p=chances))][0]
            examples.append(augmented(RefinerExample.load(files[int(rng.integers(len(files)))]), settings.side, rng))
        examples = corrected(network, examples, settings, int(rng.integers(_STROKES + 1)), rng)
        return example_loss(network, examples, settings)

    return train_network(copy.deepcopy(start or new_network(settings)), loss, training, name="refiner", **options)


def answered(network: UNet, examples: Sequence[RefinerExample], settings: RefinerSettings) -> Tensor:
    """Refined logits (n, z, y, x)."""
    device = next(network.parameters()).device
    inputs = torch.from_numpy(np.stack([example.view.inputs(settings.reach) for example in examples])).to(device)
    logits = torch.from_numpy(np.stack([example.view.logits for example in examples])).to(device)
    return logits + answer(network, inputs)


def example_loss(network: UNet, examples: Sequence[RefinerExample], settings: RefinerSettings) -> Tensor:
    """Binary cross-entropy plus soft Dice over the cells of each example, averaged."""
    logits = answered(network, examples, settings)
    truth = torch.from_numpy(np.stack([example.truth for example in examples])).to(logits.device)
    entropy, dice = entropy_and_dice(logits, truth)
    return entropy + (1 - dice).mean()


@torch.no_grad()
def corrected(
    network: UNet, examples: list[RefinerExample], settings: RefinerSettings, strokes: int, rng: Rng
) -> list[RefinerExample]:
    """The examples after strokes that a reader draws on what the network answers."""
    for _ in range(strokes):
        masks = (answered(network, examples, settings) > 0).cpu().numpy().astype(np.uint8)
        examples = [_with_stroke(example, mask, rng) for example, mask in zip(examples, masks, strict=True)]
    return examples


def _with_stroke(example: RefinerExample, mask: npt.NDArray[np.uint8], rng: Rng) -> RefinerExample:
    strategy = list(STRATEGIES)[int(rng.integers(len(STRATEGIES)))]
    truth = (example.truth > 0.5).astype(np.uint8)
    stroke = draw_scribble(mask, truth, strategy, seed=int(rng.integers(1 << 31)))
    if stroke is None:
        return example
    tumor, background = example.view.tumor.copy(), example.view.background.copy()
    (tumor if stroke.label == "tumor" else background)[tuple(stroke.voxels.T[::-1])] = True
    return replace(example, view=replace(example.view, tumor=tumor, background=background))


def augmented(example: RefinerExample, length: int, rng: Rng) -> RefinerExample:
    """`length` cells along z of a example seen from another side, by another scanner, by a tracker that errs more."""
    flips = tuple(slice(None, None, -1 if rng.random() < 0.5 else 1) for _ in range(3))
    turned = rng.random() < 0.5
    there = example.truth.shape[0]
    drawn = np.flatnonzero((example.truth > 0.5).any(axis=(1, 2)) | example.view.tumor.any(axis=(1, 2)))
    middle = int(rng.choice(drawn)) if drawn.size else there // 2
    first = int(np.clip(middle - length // 2, 0, max(there - length, 0)))

    def seen(values: npt.NDArray[Any], outside: float = 0) -> npt.NDArray[Any]:
        part = values[first : first + length]
        part = np.pad(part, ((0, length - len(part)), (0, 0), (0, 0)), constant_values=outside)[flips]
        return np.ascontiguousarray(part.transpose(0, 2, 1) if turned else part)

    old = example.view
    ct = None if old.ct is None or rng.random() < 0.1 else seen(old.ct, AIR_HU) + np.float32(rng.normal(0, 10))
    pet = seen(old.pet) * np.float32(np.exp(rng.normal(0, 0.15)))
    if rng.random() < 0.3:
        noise = rng.standard_normal(pet.shape, dtype=np.float32)
        pet = np.maximum(pet + np.float32(rng.uniform(0, 0.1)) * np.sqrt(np.maximum(pet, 0)) * noise, 0)
    logits = seen(old.logits, -LOGIT_LIMIT)
    if rng.random() < 0.5:
        error = gaussian_filter(rng.standard_normal(logits.shape, dtype=np.float32), rng.uniform(2, 5))
        logits = logits + error * np.float32(rng.uniform(0, 1.5) / max(float(error.std()), 1e-6))
        logits = np.clip(logits + np.float32(rng.normal(0, 0.7)), -LOGIT_LIMIT, LOGIT_LIMIT).astype(np.float32)
    view = RefinerInput(ct, pet, logits, seen(old.tumor), seen(old.background), old.mm)
    return RefinerExample(view, seen(example.truth))
