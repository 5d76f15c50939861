"""Outlines of lesions whose truth is known, and how well each one fits: at first prompts, and after strokes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from sam_pet.boxes import MaskBox
from sam_pet.cases import Case
from sam_pet.prompts import Voxels
from sam_pet.proposers.first_features import Floats
from sam_pet.proposers.ranker import NAMES, at_first
from sam_pet.segmenter import Segmenter
from sam_pet.stored import stored_arrays
from sam_pet.train.simulated_prompts import first_prompt, lesions_of
from sam_pet.train.store import ExampleStore, digest

Rng = np.random.Generator
Ints = npt.NDArray[np.integer[Any]]
_NONE: Voxels = np.zeros((0, 3), np.int64)
_BATCH = 8


@dataclass(frozen=True)
class RankerExample:
    """A case's choices: `features` (outlines, `NAMES`), `dice` (outlines,), and the `choice` that each belongs to."""

    features: Floats
    dice: Floats
    choice: Ints

    @classmethod
    def of(cls, rows: Sequence[tuple[Floats, Floats]]) -> Self:
        """An example of choices, each with the features and the Dice of its outlines."""
        return cls(
            np.concatenate([np.zeros((0, len(NAMES)), np.float32), *(features for features, _ in rows)]),
            np.concatenate([np.zeros(0, np.float32), *(dice for _, dice in rows)]),
            np.repeat(np.arange(len(rows)), [len(dice) for _, dice in rows]),
        )

    @property
    def choices(self) -> int:
        return int(self.choice.max(initial=-1)) + 1

    def joined(self, other: RankerExample) -> RankerExample:
        """The choices of both."""
        return RankerExample(
            np.concatenate([self.features, other.features]),
            np.concatenate([self.dice, other.dice]),
            np.concatenate([self.choice, other.choice + self.choices]),
        )

    def save(self, path: Path) -> None:
        with path.open("wb") as stream:
            np.savez_compressed(stream, features=self.features, dice=self.dice, choice=self.choice)

    @classmethod
    def load(cls, path: Path) -> Self:
        with stored_arrays(path) as held:
            return cls(held["features"], held["dice"], held["choice"])


@dataclass(frozen=True)
class FirstExamples:
    """The outlines of first prompts on the lesions of cases.

    Attributes:
        store: where they are kept.
        prompts: each lesion starts so many times, from clicks and strokes in turn.
        least: prompts of a case with few lesions.
        most: of a case's lesions, so many are taken, drawn at random.
        smallest_ml: lesions below are left out.
    """

    store: ExampleStore
    prompts: int = 2
    least: int = 8
    most: int = 16
    smallest_ml: float = 0.3

    def of(self, case: Case, segmenter: Segmenter, seed: int) -> RankerExample:
        """Those of a case."""
        facts = [
            *(self.store.fingerprint(case), segmenter.sha256, segmenter.record.part_hashes.get("contour"), NAMES),
            *(self.prompts, self.least, self.most, self.smallest_ml, seed),
            *segmenter.settings.changes.items(),
        ]
        rng = np.random.default_rng([seed, int(digest(facts)[:16], 16)])

        def make(file: Path) -> None:
            RankerExample.of(list(self._rows(case, segmenter, rng))).save(file)

        return RankerExample.load(self.store.get("first", facts, make))

    @torch.no_grad()
    def _rows(self, case: Case, segmenter: Segmenter, rng: Rng) -> Iterator[tuple[Floats, Floats]]:
        study = case.study()
        proposers = segmenter.proposers(study)
        labels, large = lesions_of(case, study, self.smallest_ml)
        sizes = np.bincount(labels.ravel())
        taken = rng.permutation(large)[: self.most]
        numbers = taken.repeat(max(self.prompts, -(-self.least // max(len(taken), 1)))).tolist()
        for first in range(0, len(numbers), _BATCH):
            here = numbers[first : first + _BATCH]
            prompts = [first_prompt(labels == n, study.axial_pet, i % 2 == 0, rng) for i, n in enumerate(here, first)]
            for number, lesion in zip(here, proposers.sam2.propose(prompts, _NONE), strict=True):
                outlines = proposers.outlines(lesion, _NONE)
                if len(outlines.blocks) > 1:
                    dice = [dice_of(block, labels, [number], int(sizes[number])) for block in outlines.blocks]
                    yield at_first(outlines.features), np.array(dice, np.float32)


def dice_of(block: MaskBox, labels: Ints, numbers: Sequence[int], total: int) -> float:
    """The Dice of an outline and the lesions of some numbers in `labels` [z, y, x], of `total` voxels."""
    size = int(block.values.sum())
    if not total and not size:  # rightly empty
        return 1.0
    return 2 * int(np.isin(labels[block.slices][block.values], numbers).sum()) / (size + total)
