"""This project's own sessions as a method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sam_pet.methods.method import Mask, MethodSession
from sam_pet.readers.stroke import Stroke
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from sam_pet.study import Study


@dataclass(frozen=True)
class SamPet:
    """A `Segmenter` behind the protocol of methods."""

    name: str
    segmenter: Segmenter

    @property
    def facts(self) -> Mapping[str, str]:
        return self.segmenter.facts

    def open(self, study: Study) -> MethodSession:
        return _Adapter(self.segmenter.open(study))

    def answer(self, study: Study) -> MethodSession:
        session = self.segmenter.open(study)
        session.first_answer()
        return _Adapter(session)


class _Adapter:
    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, stroke: Stroke) -> None:
        self._session.add(stroke.prompt)

    @property
    def mask(self) -> Mask:
        return self._session.array


def make_sam_pet(name: str, model: str) -> SamPet:
    return SamPet(name, Segmenter.from_pretrained(model))
