"""Places that a reader may point at, on lesions and beside them: examples for the prompt score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cc3d
import numpy as np
import numpy.typing as npt
import xgboost

from sam_pet.boxes import MaskBox
from sam_pet.detection.classifier import LesionClassifier
from sam_pet.detection.detect import CandidateTable
from sam_pet.detection.prompt_score import describe
from sam_pet.prompts import Voxels
from sam_pet.stored import stored_arrays
from sam_pet.study import Study
from sam_pet.train.crops import hottest_places
from sam_pet.train.simulated_prompts import first_prompt
from sam_pet.trees import Floats

Rng = np.random.Generator
Bools = npt.NDArray[np.bool_]
# Of a study, so many lesions, so many of the hottest places beside them and so many other candidates.
_LESIONS, _HOT, _OTHERS = 14, 10, 10
_SMALLEST_ML = 0.3
_ROUNDS = 160
_TREES = {
    "objective": "binary:logistic",
    "max_depth": 3,
    "eta": 0.06,
    "subsample": 0.7,
    "colsample_bytree": 0.5,
    "min_child_weight": 3,
    "lambda": 3.0,
    "nthread": 1,
    "tree_method": "hist",
}


@dataclass(frozen=True)
class Pointed:
    """Places of a study: `features` (n, `PROMPT_SCORE_NAMES`), and whether each is on a `lesion` (n,)."""

    features: Floats
    lesion: Bools

    def save(self, path: Path) -> None:
        with path.open("wb") as stream:
            np.savez_compressed(stream, features=self.features, lesion=self.lesion)

    @classmethod
    def load(cls, path: Path) -> Self:
        with stored_arrays(path) as held:
            return cls(held["features"], held["lesion"])


def pointed(
    study: Study, labels: npt.NDArray[np.integer], classifier: LesionClassifier, table: CandidateTable, rng: Rng
) -> Pointed:
    """Clicks and strokes on the lesions of a study, its hottest places beside them, and other candidates.

    Args:
        study: the study.
        labels: numbers of lesions in the axial view [z, y, x], 0 elsewhere.
        classifier: gives the probabilities of the places.
        table: the study's candidates.
        rng: draws which, and how they are pointed at.
    """
    found = cc3d.statistics(np.ascontiguousarray(labels))
    volumes = found["voxel_counts"] * study.grid.voxel_ml
    large = rng.permutation([n for n in range(1, len(volumes)) if volumes[n] >= _SMALLEST_ML])[:_LESIONS].tolist()
    on = [
        _drawn(study, _block(found["bounding_boxes"][n], labels, n), click, rng)
        for n in large
        for click in (True, False)
    ]
    hot = hottest_places(study.axial_pet, (labels > 0).astype(np.uint8), study.frame_spacing, _HOT)
    beside: list[Voxels] = [np.array([[x, y, z]], np.int64) for z, y, x in hot.tolist()]
    free = [region for region in table.regions if not labels[region.window][region.mask()].any()]
    for number in rng.permutation(len(free))[:_OTHERS].tolist():
        region = free[number]
        beside.append(_drawn(study, MaskBox(region.corner, region.mask()), bool(number % 2), rng))
    lesion = np.arange(len(on) + len(beside)) < len(on)
    return Pointed(describe(study, classifier, table, [*on, *beside]), lesion)


def fit(places: Sequence[Pointed], seed: int = 0) -> xgboost.Booster:
    """Trees for `LesionClassifier.with_prompt_score`; all studies count as they are."""
    features = np.concatenate([some.features for some in places])
    lesion = np.concatenate([some.lesion for some in places])
    data = xgboost.DMatrix(features, label=lesion, missing=np.nan)
    return xgboost.train({**_TREES, "seed": seed}, data, num_boost_round=_ROUNDS)


def _block(box: tuple[slice, slice, slice], labels: npt.NDArray[np.integer], number: int) -> MaskBox:
    return MaskBox((box[2].start, box[1].start, box[0].start), labels[box] == number)


def _drawn(study: Study, block: MaskBox, click: bool, rng: Rng) -> Voxels:
    prompt = first_prompt(block.values, study.axial_pet[block.slices], click, rng)
    voxels: Voxels = prompt.voxels + np.asarray(block.corner)
    return voxels
