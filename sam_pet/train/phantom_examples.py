"""Samples from phantoms, kept in a folder: made once, and asked anew for each model."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xgboost

from sam_pet.detection.appearance import Appearance
from sam_pet.detection.classifier import ASK
from sam_pet.detection.coarse_study import Scene
from sam_pet.detection.detect import ask, gather, hear
from sam_pet.detection.features import MODEL_NAMES
from sam_pet.detection.tracer import Tracer
from sam_pet.geometry import Grid
from sam_pet.phantom import Phantom, make_borrowed, make_odd, make_phantom
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study
from sam_pet.train.candidate_examples import Sample, sample
from sam_pet.trees import predict

# Axes as in autoPET: x to the left, y to the front, z to the head.
_DIRECTION = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0)
# Half of the challenge's FDG grid in the slice, and its PSMA grids.
_SIZES: dict[Tracer, tuple[tuple[int, int, float, float], ...]] = {
    "fdg": ((200, 326, 4.07, 3.0),),
    "psma": ((168, 210, 4.07, 5.0), (200, 448, 4.07, 2.0)),
}
# Seeds to train on, and which of all are built on another phantom's organs.
TRAIN, BORROWED = "25000:1000,28000:500", "28000:700"
# One FDG and one PSMA study in so many seeds are also learnt from without their CT.
_WITHOUT_CT = 8
# Of so many FDG studies two are also learnt from as real ones are at times.
_ODD = 5
_MOST_ASKED = 80


@dataclass(frozen=True)
class Lessons:
    """A folder of samples and scenes of phantoms; FDG for even seeds, PSMA for odd ones.

    Those whose seed is in `borrowed` are built on another phantom's organs.
    """

    folder: Path
    borrowed: Container[int] = ()

    def samples(self, seed: int) -> list[Sample]:
        """The samples of one phantom: with CT, for one in four also without, for some FDG ones an odd one."""
        kinds = _kinds(seed)
        missing = [kind for kind in kinds if not self._path(seed, kind).is_file()]
        if missing:
            phantom = self._phantom(seed)
            for kind in missing:
                shown = _shown(phantom, kind)
                evidence = gather(shown.study, _tracer(seed))
                Scene.of(shown.study, evidence.body, evidence.tracer).save(self._path(seed, f"{kind}-scene"))
                sample(shown.study, shown.lesions, evidence).save(self._path(seed, kind))
        return [Sample.load(self._path(seed, kind)) for kind in kinds]

    def scenes(self, seed: int) -> list[Scene]:
        """Those of the samples, which must have been made."""
        return [Scene.load(self._path(seed, f"{kind}-scene")) for kind in _kinds(seed)]

    def looked(
        self, seeds: Sequence[int], samples: Sequence[Sample], appearance: Appearance, glance: xgboost.Booster
    ) -> list[Sample]:
        """The samples of these seeds with the looks of a network at what a glance takes for possible."""
        found = []
        for one, scene in zip(samples, (scene for seed in seeds for scene in self.scenes(seed)), strict=True):
            rows = np.flatnonzero(predict(glance, one.features) >= ASK)
            looks = np.full(len(one.features), np.nan)
            looks[rows] = appearance.look(scene, one.places[rows], one.features[rows])
            found.append(replace(one, looks=looks))
        return found

    def asked(self, seed: int, segmenter: Segmenter, glance: xgboost.Booster) -> list[Sample]:
        """The samples with what a model says of the candidates that a glance takes for possible."""
        found, phantom = [], None
        for kind, one in zip(_kinds(seed), self.samples(seed), strict=True):
            path = self._path(seed, f"{kind}-{segmenter.sha256[:12]}")
            if not path.is_file():
                phantom = phantom or self._phantom(seed)
                _ask(_shown(phantom, kind).study, one, segmenter, glance).save(path)
            found.append(replace(one, said=Sample.load(path).said))
        return found

    def _phantom(self, seed: int) -> Phantom:
        make = make_borrowed if seed in self.borrowed else make_phantom
        return make(seed, _tracer(seed), _grid(seed))

    def _path(self, seed: int, kind: str) -> Path:
        return self.folder / f"{_tracer(seed)}_{seed}_{'borrowed-' if seed in self.borrowed else ''}{kind}.npz"


def seeds(text: str) -> list[int]:
    """The seeds of FIRST:COUNT:STEP, of FIRST:COUNT, or of FIRST alone, and of several of these with commas between."""
    found: list[int] = []
    for part in text.split(","):
        first, count, step = map(int, [*part.split(":"), "1", "1"][:3])
        found += range(first, first + count * step, step)
    return found


def _shown(phantom: Phantom, kind: str) -> Phantom:
    """A phantom as it is learnt from."""
    if kind.startswith("odd"):
        phantom = make_odd(phantom)
    study = phantom.study
    return replace(phantom, study=Study(study.pet, None if kind.endswith("pet") else study.ct, study.grid))


def _ask(study: Study, one: Sample, segmenter: Segmenter, glance: xgboost.Booster) -> Sample:
    evidence = gather(study, one.tracer)
    seen = predict(glance, one.features)
    rows = np.argsort(-seen, kind="stable")[: min(_MOST_ASKED, int((seen >= ASK).sum()))]
    spots = [evidence.spots[i] for i in rows]
    tracker = segmenter.tracker(study)
    said = np.full((len(seen), len(MODEL_NAMES)), np.nan, np.float32)
    said[rows] = hear(study, spots, ask(tracker, spots))
    return replace(one, said=said)


def _tracer(seed: int) -> Tracer:
    return "psma" if seed % 2 else "fdg"


def _kinds(seed: int) -> tuple[str, ...]:
    kinds = ("ct", "pet") if seed % _WITHOUT_CT < 2 else ("ct",)
    if _tracer(seed) == "fdg" and seed // 2 % _ODD < 2:
        return (*kinds, "odd-pet" if seed // 2 % 2 else "odd-ct")
    return kinds


def _grid(seed: int) -> Grid:
    sizes = _SIZES[_tracer(seed)]
    count, depth, inplane, between = sizes[seed // 2 % len(sizes)]
    spacing = (inplane, inplane, between)
    origin = (-count * inplane / 2, -count * inplane / 2, -depth * between)
    return Grid((count, count, depth), spacing, origin, _DIRECTION)
