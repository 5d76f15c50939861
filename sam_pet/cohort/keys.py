"""By what a study that is done is known: the content of its inputs, the model and the version."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

import sam_pet
from sam_pet import outputs
from sam_pet.cohort.study import CohortStudy
from sam_pet.files import file_sha256


def content_key(study: CohortStudy, model: str) -> str:
    """Of what the inputs hold; they are read for it.

    Raises:
        OSError: one cannot be read.
    """
    return _short([sam_pet.__version__, model, _model_content(model), *map(_content, _places(study))])


def state_key(study: CohortStudy, model: str) -> str:
    """Of where the inputs lie, how long they are and when they were written: as long as it stands, so does their
    content, and they need not be read."""
    return _short([sam_pet.__version__, model, _model_content(model), *map(_state, _places(study))])


def _places(study: CohortStudy) -> list[tuple[str, Path]]:
    named = (("pet", study.pet), ("ct", study.ct), ("prompts", study.prompts))
    return [(what, path) for what, path in named if path is not None]


@lru_cache(maxsize=1)
def _model_content(model: str) -> list[list[str]]:
    path = Path(model)
    return [[file.name, file_sha256(file)] for file in _files(path)] if path.exists() else []


def _content(place: tuple[str, Path]) -> list[object]:
    what, path = place
    return [what, [[file.name, file_sha256(file)] for file in _files(path)]]


def _state(place: tuple[str, Path]) -> list[object]:
    what, path = place
    found: list[object] = []
    for file in _files(path):
        try:
            facts = file.stat()
            found.append([str(file.absolute()), facts.st_size, facts.st_mtime_ns])
        except OSError:
            found.append([str(file.absolute()), None])
    return [what, found]


def _files(path: Path) -> list[Path]:
    """The files that an input is read from."""
    return [
        file
        for source in outputs.sources(path)
        for file in (sorted(p for p in source.rglob("*") if p.is_file()) if source.is_dir() else [source])
    ]


def _short(facts: object) -> str:
    """A short name for facts (as JSON knows them), the same for the same facts."""
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]
