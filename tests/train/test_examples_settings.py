"""Examples that a model has a part in are made anew when the numbers by which it decides are others."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from sam_pet.proposers.refiner_settings import RefinerSettings
from sam_pet.settings import DEFAULTS, InferenceSettings, StrokeSettings
from sam_pet.train.ranker_examples import RankerExamples
from sam_pet.train.refiner_examples import RefinerExamples
from sam_pet.train.revision_examples import RevisionExamples
from sam_pet.train.store import digest


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

    many = get


@pytest.mark.parametrize("kind", ["outlines", "refiner", "revisions"])
def test_other_numbers_are_other_examples(kind: str) -> None:
    store: Any = Asked()
    made: dict[str, Any] = {
        "outlines": RankerExamples(store),
        "refiner": RefinerExamples(store, RefinerSettings()),
        "revisions": RevisionExamples(store),
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
