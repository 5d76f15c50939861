"""Outlines of lesions whose truth is known, prompt by prompt, and how well each one fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sam_pet.boxes import MaskBox
from sam_pet.cases import Case
from sam_pet.prompts import Voxels
from sam_pet.proposers.outline_features import NAMES, Floats
from sam_pet.proposers.uptake_levels import LEVELS
from sam_pet.proposers.volume_input import WIDTHS_MM
from sam_pet.segmenter import Segmenter
from sam_pet.stored import stored_arrays
from sam_pet.train.refiner_examples import first_prompt, lesions_of
from sam_pet.train.store import ExampleStore, digest

Rng = np.random.Generator
_NONE: Voxels = np.zeros((0, 3), np.int64)
_BATCH = 8
# The networks' outlines, and those of the two peaks that a prompt may point at.
_MOST = 1 + len(WIDTHS_MM) + 2 * len(LEVELS)


@dataclass(frozen=True)
class RankerExample:
    """The outlines of a case's prompts: `features` (prompts, outlines, `NAMES`), `dice` (prompts, outlines).

    NaN where a prompt has fewer outlines than another.
    """

    features: Floats
    dice: Floats

    def save(self, path: Path) -> None:
        with path.open("wb") as stream:
            np.savez_compressed(stream, features=self.features, dice=self.dice)

    @classmethod
    def load(cls, path: Path) -> Self:
        with stored_arrays(path) as held:
            return cls(held["features"], held["dice"])


@dataclass(frozen=True)
class RankerExamples:
    """The outlines of prompts on the lesions of cases.

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

    def of(self, case: Case, segmenter: Segmenter, seed: int) -> RankerExample | None:
        """Those of a case; None where it has no lesion."""
        parts = {k: v for k, v in segmenter.record.part_hashes.items() if k in ("refiner", "contour")}
        facts = [
            *(self.store.fingerprint(case), segmenter.sha256, parts, NAMES),
            *(self.prompts, self.least, self.most, self.smallest_ml, seed),
            *segmenter.settings.changes.items(),
        ]
        rng = np.random.default_rng([seed, int(digest(facts)[:16], 16)])
        path = self.store.get("outlines", facts, lambda file: self._example(case, segmenter, rng).save(file))
        example = RankerExample.load(path)
        return example if len(example.dice) else None

    def _example(self, case: Case, segmenter: Segmenter, rng: Rng) -> RankerExample:
        rows = list(self._rows(case, segmenter, rng))
        return RankerExample(
            np.array([row for row, _ in rows], np.float32), np.array([dice for _, dice in rows], np.float32)
        )

    def _rows(self, case: Case, segmenter: Segmenter, rng: Rng) -> Iterator[tuple[Floats, Floats]]:
        study = case.study()
        proposers = segmenter.proposers(study)
        labels, large = lesions_of(case, study, self.smallest_ml)
        taken = rng.permutation(large)[: self.most]
        numbers = taken.repeat(max(self.prompts, -(-self.least // max(len(taken), 1)))).tolist()
        for first in range(0, len(numbers), _BATCH):
            here = numbers[first : first + _BATCH]
            prompts = [first_prompt(labels == n, study.axial_pet, i % 2 == 0, rng) for i, n in enumerate(here, first)]
            for number, lesion in zip(here, proposers.sam2.propose(prompts, _NONE), strict=True):
                outlines = proposers.outlines(lesion, _NONE)
                dice = np.array([_dice(outline, labels, number) for outline in outlines.blocks], np.float32)
                missing = _MOST - len(dice)
                if len(dice) > 1:
                    yield (
                        np.pad(outlines.features, ((0, missing), (0, 0)), constant_values=np.nan),
                        np.pad(dice, (0, missing), constant_values=np.nan),
                    )


def _dice(outline: MaskBox, labels: npt.NDArray[Any], number: int) -> float:
    shared = int((labels[outline.slices][outline.values] == number).sum())
    return 2 * shared / (int(outline.values.sum()) + int((labels == number).sum()))
