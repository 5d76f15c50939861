"""Examples that a model has a part in are made anew when the numbers by which it decides are others."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from sam_pet.settings import DEFAULTS, InferenceSettings, StrokeSettings
from sam_pet.train.ranker_examples import FirstExamples
from sam_pet.train.store import digest
from sam_pet.train.stroke_examples import StrokeExamples


class _AskedError(Exception):
    pass


@dataclass
class Asked:
    """In place of a store: it tells by what examples are looked for, and has none."""

    facts: list[Any] = field(default_factory=list)

    def fingerprint(self, _: object) -> list[str]:
        return ["case"]

    def get(self, _: str, facts: list[Any], __: object) -> None:
        self.facts.append(facts)
        raise _AskedError


@pytest.mark.parametrize("kind", ["first", "strokes"])
def test_other_numbers_are_other_examples(kind: str) -> None:
    store: Any = Asked()
    made: dict[str, Any] = {
        "first": FirstExamples(store),
        "strokes": StrokeExamples(store),
    }
    others = InferenceSettings(strokes=StrokeSettings(reach_mm=10.0))
    for settings in (DEFAULTS, InferenceSettings(), others):
        segmenter: Any = SimpleNamespace(sha256="a", settings=settings, record=SimpleNamespace(part_hashes={}))
        case: Any = None
        with pytest.raises(_AskedError):
            made[kind].of(case, segmenter, 0)
    first, same, other = map(digest, store.facts)
    assert first == same
    assert first != other
