"""Workers that are this process: no start-up."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sam_pet.cohort.batch import BatchSettings, run_batch
from sam_pet.cohort.engine import Done, Event, Ready
from sam_pet.cohort.folder import Manifest
from sam_pet.cohort.job import SegmentStudy
from sam_pet.cohort.pipeline import Pipeline
from sam_pet.cohort.studies import find_studies
from tests.cohort.studies import MODEL


class InlinePool:
    def __init__(self, job: SegmentStudy) -> None:
        self._pipeline: Pipeline[Any, Any] = Pipeline(job)
        self._events: list[Event[Any]] = []

    def start(self) -> int:
        self._events.append(Ready(1))
        return 1

    def send(self, worker: int, ticket: int, item: Any) -> None:
        self._events.append(Done(worker, ticket, self._pipeline(item)))

    def wait(self) -> Sequence[Event[Any]]:
        events, self._events = self._events, []
        return events


@contextmanager
def inline_pool(job: SegmentStudy) -> Iterator[InlinePool]:
    yield InlinePool(job)


def batch(source: Path, out: Path, **settings: Any) -> list[Manifest]:
    """The manifests of a run over a cohort, as they came."""
    told: list[Manifest] = []
    options = BatchSettings(**{"model": MODEL, "device": "cpu", **settings})
    run_batch(find_studies(source), out, options, pool=inline_pool, report=told.append)
    return told
