"""Samples from phantoms, kept in a folder: made once, and asked anew for each model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xgboost

from sam_pet.files import replacing
from sam_pet.first_answer.answer import ask, gather, hear
from sam_pet.first_answer.features import MODEL_NAMES
from sam_pet.first_answer.samples import Sample, sample
from sam_pet.first_answer.tracer import Tracer
from sam_pet.first_answer.train import ASK
from sam_pet.geometry import Grid
from sam_pet.phantom import make_phantom
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study

# Axes as in autoPET: x to the left, y to the front, z to the head.
_DIRECTION = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
# Half of the challenge's FDG grid in the slice, and its PSMA grids.
_SIZES: dict[Tracer, tuple[tuple[int, int, float, float], ...]] = {
    "fdg": ((200, 326, 4.07, 3.0),),
    "psma": ((168, 210, 4.07, 5.0), (200, 448, 4.07, 2.0)),
}
# One FDG and one PSMA study in so many seeds are also learnt from without their CT.
_WITHOUT_CT = 8
_MOST_ASKED = 80


@dataclass(frozen=True)
class Lessons:
    """A folder of phantoms and their samples; FDG for even seeds, PSMA for odd ones."""

    folder: Path

    def samples(self, seed: int) -> list[Sample]:
        """The samples of one phantom: with CT, and for one in four also without."""
        found = []
        for kind in _kinds(seed):
            path = self._path(seed, kind)
            if not path.is_file():
                study, lesions = self._study(seed, kind)
                sample(study, lesions, _tracer(seed)).save(path)
            found.append(Sample.load(path))
        return found

    def asked(self, seed: int, segmenter: Segmenter, glance: xgboost.Booster) -> list[Sample]:
        """The samples with what a model says of the candidates that a glance takes for possible."""
        found = []
        for kind, one in zip(_kinds(seed), self.samples(seed), strict=True):
            path = self._path(seed, f"{kind}-{segmenter.sha256[:12]}")
            if not path.is_file():
                study, lesions = self._study(seed, kind)
                _ask(study, lesions, one, segmenter, glance).save(path)
            known = Sample.load(path)
            found.append(replace(one, said=known.said, model_voxels=known.model_voxels, model_true=known.model_true))
        return found

    def _path(self, seed: int, kind: str) -> Path:
        return self.folder / f"{_tracer(seed)}_{seed}_{kind}.npz"

    def _study(self, seed: int, kind: str) -> tuple[Study, Any]:
        path = self._path(seed, "study")
        if not path.is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            phantom = make_phantom(seed, _tracer(seed), _grid(seed))
            ct = phantom.study.ct
            if ct is None:
                raise ValueError("a phantom has a CT")
            with replacing(path) as temporary:
                np.savez(
                    temporary,
                    pet=phantom.study.pet.astype(np.float16),
                    ct=ct.astype(np.int16),
                    lesions=phantom.lesions,
                )
        with np.load(path) as stored:
            ct = None if kind == "pet" else stored["ct"].astype(np.float32)
            return Study(stored["pet"].astype(np.float32), ct, _grid(seed)), stored["lesions"]


def _ask(study: Study, lesions: Any, one: Sample, segmenter: Segmenter, glance: xgboost.Booster) -> Sample:
    evidence = gather(study, one.tracer)
    seen = glance.inplace_predict(one.features, missing=np.nan)
    rows = np.argsort(-seen, kind="stable")[: min(_MOST_ASKED, int((seen >= ASK).sum()))]
    spots = [evidence.spots[i] for i in rows]
    tracker = segmenter.tracker(study)
    answers = ask(tracker, spots)
    said = np.full((len(seen), len(MODEL_NAMES)), np.nan, np.float32)
    said[rows] = hear(study, spots, answers)
    voxels, true = np.zeros(len(seen), np.int64), np.zeros(len(seen), np.int64)
    axial = study.order.view(lesions)
    for row, lesion in zip(rows, answers, strict=True):
        voxels[row] = lesion.block.values.sum()
        true[row] = (axial[lesion.block.slices][lesion.block.values] > 0).sum()
    return replace(one, said=said, model_voxels=voxels, model_true=true)


def _tracer(seed: int) -> Tracer:
    return "psma" if seed % 2 else "fdg"


def _kinds(seed: int) -> tuple[str, ...]:
    return ("ct", "pet") if seed % _WITHOUT_CT < 2 else ("ct",)


def _grid(seed: int) -> Grid:
    sizes = _SIZES[_tracer(seed)]
    count, depth, inplane, between = sizes[seed // 2 % len(sizes)]
    spacing = (inplane, inplane, between)
    origin = (-count * inplane / 2, -count * inplane / 2, -depth * between)
    return Grid((count, count, depth), spacing, origin, _DIRECTION)
