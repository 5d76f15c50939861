"""Outlines of lesions after strokes, on cases whose truth is known: examples for the ranker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from sam_pet.cases import Case
from sam_pet.detection.detect import AUTO, first_answer
from sam_pet.prompts import Voxels
from sam_pet.proposers.first_features import Floats
from sam_pet.proposers.lesion import Lesion, drawn_voxels
from sam_pet.proposers.ranker import NAMES, after_stroke
from sam_pet.proposers.revisions import CORRECTED, KINDS
from sam_pet.segmenter import Segmenter
from sam_pet.session.engine import LesionSegmenter
from sam_pet.study import Study
from sam_pet.train.ranker_examples import RankerExample, dice_of
from sam_pet.train.simulated_prompts import first_prompt, lesions_of, stroke_on
from sam_pet.train.store import ExampleStore, digest

Rng = np.random.Generator
_NONE: Voxels = np.zeros((0, 3), np.int64)
# How often the next stroke follows on the corrected outline, on the best one, and else on any.
_CORRECTED, _BEST = 0.5, 0.8
_BAR = 0.2


@dataclass(frozen=True)
class StrokeExamples:
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

    def of(self, case: Case, segmenter: Segmenter, seed: int) -> RankerExample:
        """Those of a case, on masks that the segmenter's ranker chooses."""
        facts = [
            *(self.store.fingerprint(case), segmenter.sha256, segmenter.record.part_hashes, NAMES),
            *(self.found, self.started, self.strokes, seed),
            *segmenter.settings.changes.items(),
        ]
        rng = np.random.default_rng([seed, int(digest(facts)[:16], 16)])
        return RankerExample.load(
            self.store.get("strokes", [*facts, KINDS], lambda file: self._made(case, segmenter, rng).save(file))
        )

    @torch.no_grad()
    def _made(self, case: Case, segmenter: Segmenter, rng: Rng) -> RankerExample:
        study = case.study()
        labels, large = lesions_of(case, study, 0.0)
        scene = _Scene(study, labels, segmenter.tracker(study), rng)
        for lesion in list(self._lesions(scene, segmenter, large)):
            scene.correct(lesion, self.strokes)
        return RankerExample.of(scene.rows)

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
    rows: list[tuple[Floats, Floats]] = field(default_factory=list)

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
            truth = np.isin(self.labels, numbers)
            stroke = stroke_on(lesion.block, truth, self.rng)
            if stroke is None:
                return
            if stroke.label == "background":
                background = np.concatenate([background, stroke.voxels])
            revised = self.tracker.revisions(lesion, stroke, background)
            if revised is None:
                return
            total = int(truth.sum())
            dice = np.array([dice_of(one.block, self.labels, numbers, total) for one in revised.revisions], np.float32)
            self.rows.append((after_stroke(self.study, revised), dice))
            lesion = revised.taken(revised.revisions[self._next(dice)])
            if not lesion.block.values.any():
                return

    def _next(self, dice: Floats) -> int:
        drawn = self.rng.random()
        if drawn < _CORRECTED:
            return CORRECTED
        return int(dice.argmax() if drawn < _BEST else self.rng.integers(len(dice)))
