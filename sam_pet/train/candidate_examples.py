"""Candidates of studies whose lesions are known, for training and for choosing operating points."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from sam_pet.detection.detect import CandidateTable
from sam_pet.detection.features import MODEL_NAMES
from sam_pet.stored import stored_arrays
from sam_pet.study import Study

# The extents that are tried: fractions for `CandidateRegion.mask`.
FRACTIONS = np.round(np.arange(0.2, 0.76, 0.05), 2)
_CORE = int(np.argmin(np.abs(FRACTIONS - 0.5)))
_SHARE = 0.4
# Names in files that differ from ours.
_STORED = {"model_features": "said", "cnn_logits": "looks"}
Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CandidateExample:
    """The n candidates of one study.

    Attributes:
        tracer: "fdg" or "psma".
        features: (n, `features.NAMES`).
        places: (n, 3) peaks (x, y, z) in mm from the first voxel.
        model_features: (n, `features.MODEL_NAMES`), NaN where the model was not prompted.
        cnn_logits: (n,) of the appearance network, NaN where it was not run.
        voxels, true: (n, `FRACTIONS`) voxels of each extent, and how many of them are in a lesion.
        lesion: (n,) the lesion that most of the standard region's true voxels are of, 0 for none.
        sizes: voxels of each lesion; of lesion i at i - 1.
    """

    tracer: str
    features: Floats
    places: Floats
    model_features: Floats
    cnn_logits: Floats
    voxels: Ints
    true: Ints
    lesion: Ints
    sizes: Ints

    @property
    def positive(self) -> npt.NDArray[np.bool_]:
        """(n,) whether the candidate's core is lesion for the most part."""
        return (self.true[:, _CORE] >= _SHARE * self.voxels[:, _CORE]) & (self.lesion > 0)

    @property
    def best(self) -> Ints:
        """(n,) which extent has the highest Dice with the lesion."""
        whole = (
            np.where(self.lesion > 0, self.sizes[self.lesion - 1], 0) if self.sizes.size else np.zeros_like(self.lesion)
        )
        dice = 2 * self.true / (self.voxels + whole[:, None])
        best: Ints = dice.argmax(axis=1)
        return best

    def save(self, path: Path) -> None:
        with path.open("wb") as stream:
            np.savez(stream, **{_STORED.get(f.name, f.name): getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        with stored_arrays(path) as stored:
            content = {f.name: stored[_STORED.get(f.name, f.name)] for f in fields(cls)}
        return cls(**{**content, "tracer": str(content["tracer"])})


def sample(study: Study, lesions: npt.NDArray[np.integer], table: CandidateTable) -> CandidateExample:
    """The candidates of a study with known lesions (numbers [z, y, x] as stored, 0 elsewhere)."""
    axial = study.order.view(lesions)
    voxels, true, owners = [], [], []
    for region in table.regions:
        truth = axial[region.window]
        standard = region.mask()
        numbers = truth[standard]
        owner = int(np.bincount(numbers[numbers > 0]).argmax()) if numbers.any() else 0
        # What holds no lesion at all needs no extent.
        masks = [region.mask(f) for f in FRACTIONS] if owner else [standard] * len(FRACTIONS)
        voxels.append([int(r.sum()) for r in masks])
        true.append([int((truth[r] > 0).sum()) for r in masks])
        owners.append(owner)
    count = len(owners)
    return CandidateExample(
        tracer=table.tracer,
        features=table.features,
        places=table.places,
        model_features=np.full((count, len(MODEL_NAMES)), np.nan, np.float32),
        cnn_logits=np.full(count, np.nan),
        voxels=np.array(voxels, np.int64).reshape(count, len(FRACTIONS)),
        true=np.array(true, np.int64).reshape(count, len(FRACTIONS)),
        lesion=np.array(owners, np.int64),
        sizes=np.bincount(lesions.ravel())[1:].astype(np.int64),
    )
