"""A cohort segmented into a folder: for each study a mask and a manifest, and tables and a page over all."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sam_pet.cohort.engine import DIED, Pool, completed
from sam_pet.cohort.folder import OF_COHORT, CohortFolder, Manifest
from sam_pet.cohort.job import SegmentStudy
from sam_pet.cohort.keys import state_key
from sam_pet.cohort.local_pool import local_pool
from sam_pet.cohort.studies import Cohort, name_hash
from sam_pet.cohort.study import CohortStudy
from sam_pet.cohort.summary import Counts, Summary
from sam_pet.cohort.trail import CohortTrail
from sam_pet.files import require_apart, require_folder

# While a study is worked on, the next one is read and the last one is written.
AHEAD = 1
# Manifests are looked up by so many threads: on a network each takes milliseconds, all of them waiting.
_LOOK_UPS = 8
StudyPool = Pool[CohortStudy, Manifest]


@dataclass(frozen=True)
class BatchSettings:
    """How a cohort is segmented.

    Attributes:
        model: a name or a path, see `Segmenter.from_pretrained`.
        device: likewise.
        workers: how many studies are worked on at once.
        reports: whether each study gets a page with pictures.
    """

    model: str = "default"
    device: str = "auto"
    workers: int = 1
    reports: bool = False


def run_batch(
    cohort: Cohort,
    out: Path,
    settings: BatchSettings | None = None,
    shard: tuple[int, int] | None = None,
    pool: Callable[[SegmentStudy], AbstractContextManager[StudyPool]] | None = None,
    report: Callable[[Manifest], None] = lambda _: None,
) -> Counts:
    """Segment what is not yet done, and say how many studies are.

    A study is done if its folder has a manifest of the same inputs (by content), model and version. One that fails has
    a manifest with its one-line `error`, and is tried again by the next run.

    Args:
        cohort: see `find_studies`.
        out: gets a folder for each study, `measurements.csv`, `results.csv`, `index.html`, and a log with its manifest.
        settings: the defaults, if None.
        shard: `(number, of)`: only this part of the cohort; the tables and the page are left to a run over all.
        pool: the workers, as a context; processes of this machine, if None.
        report: called with each manifest as soon as it is there.

    Raises:
        InputError: nothing can be written to `out`, an output would replace an input, the model cannot be loaded, or
            workers die whatever they are given.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.cohort.batch import run_batch
        >>> from sam_pet.cohort.studies import find_studies
        >>> from sam_pet.demo import small_phantom
        >>> from sam_pet.files import write_json
        >>> from sam_pet.phantom import write_folder
        >>> write_folder(small_phantom(), "one", Path("cohort"))
        >>> write_json({"tumor": [[30, 22, 59]]}, "cohort/one/prompts.json")
        >>> run_batch(find_studies(Path("cohort")), Path("results")).done
        1
    """
    settings = settings or BatchSettings()
    require_folder(out)
    require_apart(
        [out / name for name in OF_COHORT], [cohort.source if cohort.source.is_file() else None, settings.model]
    )
    folder = CohortFolder.open(out, len(cohort))
    part = cohort if shard is None else cohort.shard(*shard)
    job = SegmentStudy(folder, settings.model, settings.device, settings.reports)
    counts = Counts()

    # Parts may run side by side, and a log has one writer: a run over all tells of what they did.
    trail = CohortTrail(folder, settings.workers) if shard is None else None

    def tell(manifest: Manifest) -> None:
        counts.add(manifest)
        if trail is not None:
            trail.add(manifest)
        report(manifest)

    left = _left(part, job, tell)
    with (pool or partial(local_pool, workers=settings.workers, ahead=AHEAD))(job) as workers:
        for study, manifest in completed(left, workers, settings.workers, AHEAD):
            tell(folder.keep_error(study.name, DIED) if manifest is None else manifest)
    if trail is not None:
        Summary(folder).write(named(cohort, folder))
        trail.seal(named(cohort, folder))
    return counts


def named(cohort: Iterable[CohortStudy], folder: CohortFolder) -> Iterator[tuple[CohortStudy, str | None]]:
    """The studies, and why one can have no folder of its own: it would be another's, or lie elsewhere."""
    taken: set[int] = set()
    for study in cohort:
        fault = folder.fault(study)
        if fault is None and (number := name_hash(study.name)) in taken:
            fault = f"the name {study.name!r} is another study's; give each its own"
        elif fault is None:
            taken.add(number)
        yield study, fault


def _left(cohort: Cohort, job: SegmentStudy, tell: Callable[[Manifest], None]) -> Iterator[CohortStudy]:
    """The studies to be done; those that are done, or cannot be, are told of as they are passed."""

    def look_up(study: CohortStudy, fault: str | None) -> Manifest | None:
        if fault is not None:
            return {"name": study.name, "error": fault}
        try:
            return job.folder.done(study.name, job.reports, state=state_key(study, job.model))
        except Exception:  # reading it will say what is wrong
            return None

    with ThreadPoolExecutor(_LOOK_UPS) as threads:
        running: deque[tuple[CohortStudy, Future[Manifest | None]]] = deque()
        for study, fault in named(cohort, job.folder):
            running.append((study, threads.submit(look_up, study, fault)))
            if len(running) > 2 * _LOOK_UPS:
                yield from _settled(*running.popleft(), tell)
        while running:
            yield from _settled(*running.popleft(), tell)


def _settled(
    study: CohortStudy, found: Future[Manifest | None], tell: Callable[[Manifest], None]
) -> Iterator[CohortStudy]:
    manifest = found.result()
    if manifest is None:
        yield study
    else:
        tell(manifest)
