"""Outlines of lesions after strokes, on cases whose truth is known, and how well each one fits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch

from sam_pet.boxes import MaskBox
from sam_pet.cases import Case
from sam_pet.detection.detect import AUTO, first_answer
from sam_pet.prompts import Scribble, Voxels
from sam_pet.proposers.lesion import Lesion, drawn_voxels
from sam_pet.proposers.revision_features import REVISION_NAMES, describe_revisions
from sam_pet.proposers.revisions import Revised
from sam_pet.segmenter import Segmenter
from sam_pet.session.engine import LesionSegmenter
from sam_pet.study import Study
from sam_pet.train.refiner_examples import first_prompt, lesions_of, stroke_on
from sam_pet.train.store import ExampleStore, digest

Rng = np.random.Generator
Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]
_NONE: Voxels = np.zeros((0, 3), np.int64)
# How often the next stroke follows on the corrected outline, on the best one, and else on any.
_CORRECTED, _BEST = 0.5, 0.8
_BAR = 0.2
# Examples of another version of this module are made anew.
_FORMAT = 2


@dataclass(frozen=True)
class RevisionExample:
    """A case's strokes: `features` (outlines, `REVISION_NAMES`), `dice` (outlines,), and the `stroke` of each."""

    features: Floats
    dice: Floats
    stroke: Ints

    def save(self, path: Path) -> None:
        with path.open("wb") as stream:
            np.savez_compressed(stream, features=self.features, dice=self.dice, stroke=self.stroke)

    @classmethod
    def load(cls, path: Path) -> Self:
        with np.load(path, allow_pickle=False) as held:
            return cls(held["features"], held["dice"], held["stroke"])


@dataclass(frozen=True)
class RevisionExamples:
    """Strokes on lesions of the first answer, false ones too, and on lesions that clicks and strokes start.

    Attributes:
        store: where they are kept.
        found: of a case's first answer, so many lesions that are none and so many that are some.
        started: so many lesions are started by a prompt.
        strokes: on each.
    """

    store: ExampleStore
    found: int = 6
    started: int = 4
    strokes: int = 3

    def of(self, case: Case, segmenter: Segmenter, seed: int) -> RevisionExample:
        """Those of a case."""
        # A stroke ranker that is there already has no part in them.
        parts = {name: sha256 for name, sha256 in segmenter.record.part_hashes.items() if name != "strokes"}
        facts = [
            _FORMAT,
            *(self.store.fingerprint(case), segmenter.sha256, parts, REVISION_NAMES),
            *(self.found, self.started, self.strokes, seed),
            *segmenter.settings.changes.items(),
        ]
        rng = np.random.default_rng([seed, int(digest(facts)[:16], 16)])
        return RevisionExample.load(
            self.store.get("revisions", facts, lambda file: self._made(case, segmenter, rng).save(file))
        )

    @torch.no_grad()
    def _made(self, case: Case, segmenter: Segmenter, rng: Rng) -> RevisionExample:
        study = case.study()
        labels, large = lesions_of(case, study, 0.0)
        scene = _Scene(study, labels, segmenter.tracker(study), rng)
        lesions = list(self._lesions(scene, segmenter, large))
        for lesion in lesions:
            scene.correct(lesion, self.strokes)
        counts = [len(rows) for rows in scene.features]
        return RevisionExample(
            np.concatenate([np.zeros((0, len(REVISION_NAMES)), np.float32), *scene.features]),
            np.concatenate([np.zeros(0, np.float32), *scene.dice]),
            np.repeat(np.arange(len(counts)), counts),
        )

    def _lesions(self, scene: _Scene, segmenter: Segmenter, numbers: list[int]) -> Iterator[Lesion]:
        # A bar so low that there are false lesions: on studies unlike these the usual one will let some through.
        usual = segmenter.lesion_classifier
        found = first_answer(
            scene.tracker,
            None if usual is None else usual.with_bar(_BAR),
            AUTO,
            settings=segmenter.settings.first_answer,
        )
        false = [lesion for lesion in found if not scene.touched(lesion)]
        for group in (false, [lesion for lesion in found if scene.touched(lesion)]):
            for number in scene.rng.permutation(len(group))[: self.found].tolist():
                yield group[number]
        for number in scene.rng.permutation(numbers)[: self.started].tolist():
            click = bool(scene.rng.random() < 0.5)
            prompt = first_prompt(scene.labels == number, scene.study.axial_pet, click, scene.rng)
            yield from scene.tracker.start([prompt], _NONE)


@dataclass
class _Scene:
    """A case on which strokes are drawn."""

    study: Study
    labels: npt.NDArray[np.integer[Any]]
    tracker: LesionSegmenter
    rng: Rng
    features: list[Floats] = field(default_factory=list)
    dice: list[Floats] = field(default_factory=list)

    def touched(self, lesion: Lesion) -> list[int]:
        """The true lesions that a mask and what was drawn as tumor touch."""
        z, y, x = drawn_voxels(lesion.prompts[lesion.found :]).T[::-1]
        here = np.unique(np.concatenate([self.labels[lesion.block.slices][lesion.block.values], self.labels[z, y, x]]))
        numbers: list[int] = here[here > 0].tolist()
        return numbers

    def correct(self, lesion: Lesion, strokes: int) -> None:
        """Draw strokes on a lesion, one after the other, and keep what each one offers."""
        background = _NONE
        for _ in range(strokes):
            numbers = self.touched(lesion)
            stroke = self._stroke(lesion, np.isin(self.labels, numbers))
            if stroke is None:
                return
            if stroke.label == "background":
                background = np.concatenate([background, stroke.voxels])
            revised = self.tracker.revisions(lesion, stroke, background)
            if revised is None:
                return
            dice = self._dice(revised, numbers)
            self.features.append(describe_revisions(self.study, revised))
            self.dice.append(dice)
            lesion = revised.taken(revised.revisions[self._next(dice)])
            if not lesion.block.values.any():
                return

    def _stroke(self, lesion: Lesion, truth: npt.NDArray[np.bool_]) -> Scribble | None:
        return stroke_on(lesion.block, truth, self.rng)

    def _next(self, dice: Floats) -> int:
        drawn = self.rng.random()
        return 1 if drawn < _CORRECTED else int(dice.argmax() if drawn < _BEST else self.rng.integers(len(dice)))

    def _dice(self, revised: Revised, numbers: list[int]) -> Floats:
        total = int(np.isin(self.labels, numbers).sum())
        return np.array([self._fit(one.block, numbers, total) for one in revised.revisions], np.float32)

    def _fit(self, block: MaskBox, numbers: list[int], total: int) -> float:
        size = int(block.values.sum())
        if not total and not size:
            return 1.0
        shared = int(np.isin(self.labels[block.slices][block.values], numbers).sum())
        return 2 * shared / (size + total)
