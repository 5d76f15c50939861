"""The container as a method of the benchmark: what it would answer, step by step, without the container."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sam_pet.challenge.points import Points, Voxels
from sam_pet.challenge.segmenting import apply, drawn_strokes, first_answer, opened, packed
from sam_pet.challenge.weights import EMBEDDED, Weights
from sam_pet.errors import InputError
from sam_pet.methods.method import Mask, MethodSession
from sam_pet.readers.stroke import Stroke
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study


@dataclass(frozen=True)
class SamPetContainer:
    """Every stroke starts anew from the first answer and from all points so far, as each run of the container does."""

    name: str
    segmenter: Segmenter

    @property
    def facts(self) -> Mapping[str, str]:
        return self.segmenter.facts

    def open(self, study: Study) -> MethodSession:
        return _Steps(self.segmenter, study, packed(self.segmenter.open(study)))

    def answer(self, study: Study) -> MethodSession:
        return _Steps(self.segmenter, study, first_answer(self.segmenter, study))


class _Steps:
    def __init__(self, segmenter: Segmenter, study: Study, first: bytes) -> None:
        self._segmenter = segmenter
        self._study = study
        self._first = first
        self._strokes: list[Stroke] = []
        self._mask = opened(segmenter, study, first).array

    def add(self, stroke: Stroke) -> None:
        if stroke.kind == "box":
            raise InputError("the container takes points, and no boxes; choose another reader")
        self._strokes.append(stroke)
        session = opened(self._segmenter, self._study, self._first)
        apply(session, drawn_strokes(Points(self._drawn("tumor"), self._drawn("background")), self._study.order))
        self._mask = session.array

    @property
    def mask(self) -> Mask:
        return self._mask

    def _drawn(self, label: str) -> Voxels:
        voxels = [stroke.voxels for stroke in self._strokes if stroke.label == label]
        return np.concatenate(voxels) if voxels else np.empty((0, 3), np.int64)


def make_sam_pet_container(name: str, model: str | None) -> SamPetContainer:
    """The method with the embedded weights, or with others in words that `load_model` takes."""
    weights = EMBEDDED if model is None else Weights(model)
    return SamPetContainer(name, Segmenter(weights.load()))
