"""What a case costs the bookkeeping of a cohort as the cohort grows: the real scheduler, layout and tables, fake work.

    python benchmarks/scale.py --out scale.json --scheduler 10000 100000 1000000 -- 1000 10000 100000

Workers are simulated: a case takes a time drawn at random, on a clock of their own; some workers die with their cases,
some cases kill every worker, some cannot be read. Everything else is what `sam-pet batch` runs: the table of studies is
read, each case is looked up, handed out, tried again, recorded in a manifest on disk, and summed up at the end. Files
are not flushed to the disk one by one, as the workers of a cluster do side by side.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import json
import os
import random
import resource
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kept import keep

import sam_pet
from sam_pet.cohort.batch import BatchSettings, run_batch
from sam_pet.cohort.engine import Died, Done, Event, Ready, completed
from sam_pet.cohort.folder import MASK, CohortFolder, Manifest
from sam_pet.cohort.job import SegmentStudy
from sam_pet.cohort.keys import content_key, state_key
from sam_pet.cohort.studies import find_studies
from sam_pet.cohort.study import CohortStudy

WORKERS = 1000
# Of the tasks, so many end their worker, which others survive; of the cases so many end every one, and are damaged.
DEATHS, POISON, DAMAGED = 2e-3, 1e-4, 5e-3
MASK_BYTES = bytes(1000)
MASK_SHA256 = hashlib.sha256(MASK_BYTES).hexdigest()


@dataclass
class Simulation:
    """A pool of workers on a clock of their own, which `completed` takes for real ones."""

    deaths: float
    poison: Any
    answer: Any
    seed: int = 0
    clock: float = 0.0
    started: int = 0
    died: int = 0
    worked: float = 0.0
    events: list[tuple[float, int, Any]] = field(default_factory=list)
    busy: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)
        self.serial = 0

    def start(self) -> int:
        self.started += 1
        self.busy[self.started] = self.clock + self.rng.uniform(5, 15)
        self._at(self.busy[self.started], Ready(self.started))
        return self.started

    def send(self, worker: int, ticket: int, item: Any) -> None:
        seconds = self.rng.lognormvariate(1.0, 0.5)
        self.worked += seconds
        self.busy[worker] = max(self.busy[worker], self.clock) + seconds
        if self.poison(item) or self.rng.random() < self.deaths:
            self._at(self.busy[worker], Died(worker))
        else:
            self._at(self.busy[worker], (worker, ticket, item))

    def wait(self) -> Sequence[Event[Any]]:
        while True:
            self.clock, _, event = heapq.heappop(self.events)
            worker = event[0] if isinstance(event, tuple) else event.worker
            if worker not in self.busy:
                continue
            if isinstance(event, Died):
                self.died += 1
                del self.busy[worker]
            return [Done(event[0], event[1], self.answer(event[2])) if isinstance(event, tuple) else event]

    def _at(self, when: float, event: Any) -> None:
        self.serial += 1
        heapq.heappush(self.events, (when, self.serial, event))


def scheduler(cases: int) -> dict[str, Any]:
    """The scheduler alone."""
    poison = set(random.Random(1).sample(range(cases), max(1, int(cases * POISON))))
    pool = Simulation(DEATHS, poison.__contains__, lambda item: item)
    seen = bytearray(cases)
    lost = 0
    started = time.process_time()
    for item, result in completed(range(cases), pool, WORKERS, ahead=1):
        seen[item] += 1
        lost += result is None
        assert (result is None) == (item in poison)
    spent = time.process_time() - started
    assert set(seen) == {1}
    return {
        "cases": cases,
        "us_a_case": round(1e6 * spent / cases, 2),
        "workers_died": pool.died,
        "given_up": lost,
        "simulated_hours": round(pool.clock / 3600, 2),
        "busy_share": round(pool.worked / (pool.clock * WORKERS), 3),
        "peak_mb": peak_mb(),
    }


@dataclass(frozen=True)
class FakeWork:
    """What a worker does to the disk for a case; it is sound or damaged by its name alone."""

    job: SegmentStudy

    def __call__(self, study: CohortStudy) -> Manifest:
        number = int(study.name[1:])
        folder: CohortFolder = self.job.folder
        if number % round(1 / DAMAGED) == 1:
            return folder.keep_error(study.name, "PET: x.nii.gz is cut short; copy it again")
        place = folder.of(study.name)
        place.mkdir(parents=True, exist_ok=True)
        (place / MASK).write_bytes(MASK_BYTES)
        lesions = [{"lesion": n, "volume_ml": 1.5, "suv_max": 7.0, "tlg": 5.0, "voxels": 99} for n in range(number % 6)]
        manifest = {
            "name": study.name,
            "key": content_key(study, self.job.model),
            "state": state_key(study, self.job.model),
            "sha256": MASK_SHA256,
            "lesions": len(lesions),
            "volume_ml": 1.5 * len(lesions),
            "model": "fake",
            "trained": True,
            "version": sam_pet.__version__,
            "read_s": 0.2,
            "work_s": 2.0,
            "write_s": 0.1,
            "report": False,
            "measurements": lesions,
        }
        folder.keep(manifest)
        return manifest


def bookkeeping(cases: int, root: Path) -> dict[str, Any]:
    """A whole run over a cohort, a second start of it, and both times the tables and the page."""
    pet = root / "x.nii.gz"
    pet.write_bytes(b"x")
    table = root / "studies.csv"
    with table.open("w", encoding="utf-8") as stream:
        stream.write("name,pet\n")
        stream.writelines(f"s{number},x.nii.gz\n" for number in range(cases))
    result: dict[str, Any] = {"cases": cases}
    for run in ("first", "second"):
        made: Counter[str] = Counter()

        @contextmanager
        def pool(job: SegmentStudy, made: Counter[str] = made) -> Iterator[Simulation]:
            work = FakeWork(job)

            def answer(study: CohortStudy) -> Manifest:
                made["cases"] += 1
                before = time.process_time()
                manifest = work(study)
                made["us"] += round(1e6 * (time.process_time() - before))
                return manifest

            def poison(study: CohortStudy) -> bool:
                return int(study.name[1:]) % round(1 / POISON) == 2

            yield Simulation(DEATHS, poison, answer)

        wall, cpu = time.perf_counter(), time.process_time()
        cohort = find_studies(table)
        counts = run_batch(cohort, root / "out", BatchSettings("fake", "cpu", WORKERS), pool=pool)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        failed = sum(n % round(1 / DAMAGED) == 1 or n % round(1 / POISON) == 2 for n in range(cases))
        assert (counts.done, counts.failed) == (cases - failed, failed)
        if run == "second":
            assert counts.resumed == counts.done
        result[run] = {
            "us_a_case_head": round((1e6 * cpu - made["us"]) / cases, 1),
            "us_a_case_worker": round(made["us"] / max(1, made["cases"]), 1),
            "worked_on": made["cases"],
            "wall_s": round(wall, 1),
            "peak_mb": peak_mb(),
        }
    size = sum(1 for _ in (root / "out").iterdir())
    result["entries_of_the_folder"] = size
    return result


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=int, nargs="+", help="sizes of cohorts, the smallest first")
    parser.add_argument("--scheduler", type=int, nargs="*", default=[], help="sizes for the scheduler alone")
    parser.add_argument("--out", type=Path, help="a JSON file")
    parser.add_argument("--scratch", type=Path, help="where the manifests are written, some 8 kB a case")
    arguments = parser.parse_args()
    os.fsync = lambda _: None  # type: ignore[assignment]
    found: dict[str, Any] = {}
    found["scheduler"] = [shown(scheduler(cases)) for cases in arguments.scheduler]
    found["bookkeeping"] = []
    for cases in arguments.cases:
        scratch = Path(tempfile.mkdtemp(prefix="sam-pet-scale-", dir=arguments.scratch))
        try:
            found["bookkeeping"].append(shown(bookkeeping(cases, scratch)))
        finally:
            shutil.rmtree(scratch)
    if arguments.out is not None:
        keep(found, arguments.out)


def shown(row: dict[str, Any]) -> dict[str, Any]:
    print(json.dumps(row), flush=True)
    return row


if __name__ == "__main__":
    main()
