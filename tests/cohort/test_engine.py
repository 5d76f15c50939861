from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sam_pet.cohort.engine import Died, Done, Event, Ready, completed
from sam_pet.cohort.local_pool import local_pool, over_processes
from sam_pet.cohort.pipeline import Pipeline, Settled
from sam_pet.errors import InputError


def killed_at(item: int, fatal: int, marks: Path, once: bool) -> int:
    mark = marks / "killed"
    if item == fatal and not (once and mark.exists()):
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item * item


@pytest.mark.parametrize("once", [True, False])
def test_a_killed_process_loses_no_task_and_one_that_kills_again_is_given_up(tmp_path: Path, once: bool) -> None:
    results = list(over_processes(range(6), partial(killed_at, fatal=2, marks=tmp_path, once=once), workers=2))
    assert len(results) == 6
    assert dict(results) == {n: None if n == 2 and not once else n * n for n in range(6)}


def refused(item: int) -> int:
    raise InputError(f"no {item}")


def test_what_a_task_raises_ends_the_run_and_its_processes() -> None:
    with pytest.raises(InputError, match="no 0"):
        list(over_processes([0], refused, workers=1))


class Recorder:
    """Workers that do what they are told: `fatal` says of an item and what is with it whether it kills its worker."""

    def __init__(self, fatal: Any) -> None:
        self.fatal = fatal
        self.held: dict[int, dict[int, Any]] = {}
        self.events: list[Event[Any]] = []
        self.most: Counter[int] = Counter()
        self.alone: list[Any] = []
        self.started = 0

    def start(self) -> int:
        self.started += 1
        self.held[self.started] = {}
        self.events.append(Ready(self.started))
        return self.started

    def send(self, worker: int, ticket: int, item: Any) -> None:
        self.held[worker][ticket] = item
        self.most[worker] = max(self.most[worker], len(self.held[worker]))

    def wait(self) -> Sequence[Event[Any]]:
        if self.events:
            events, self.events = self.events, []
            return events
        worker = next(worker for worker, held in self.held.items() if held)
        ticket, item = next(iter(self.held[worker].items()))
        everything = [other for held in self.held.values() for other in held.values()]
        if len(everything) == 1:
            self.alone.append(item)
        if self.fatal(item):
            del self.held[worker]
            return [Died(worker)]
        del self.held[worker][ticket]
        return [Done(worker, ticket, -item)]


def test_each_item_is_done_once_and_taken_only_when_it_can_be_started() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    pool = Recorder(lambda _: False)
    done = 0
    for item, result in completed(items(), pool, workers=3, ahead=1):
        assert result == -item
        done += 1
        # Those that are done, two a worker, and three that wait.
        assert len(taken) <= done + 3 * 2 + 3
    assert done == 100
    assert pool.started == 3
    assert max(pool.most.values()) == 2


def test_no_more_workers_start_than_there_are_items_and_none_without() -> None:
    pool = Recorder(lambda _: False)
    assert list(completed([7], pool, workers=5)) == [(7, -7)]
    assert pool.started == 1
    idle = Recorder(lambda _: False)
    assert list(completed([], idle, workers=5)) == []
    assert idle.started == 0


def test_the_last_items_are_not_read_ahead_by_a_worker_while_another_waits() -> None:
    pool = Recorder(lambda _: False)
    list(completed([1, 2], pool, workers=2, ahead=1))
    assert set(pool.most.values()) == {1}


def test_an_item_is_tried_three_times_the_last_of_them_alone() -> None:
    tries: Counter[int] = Counter()

    def fatal(item: int) -> bool:
        tries[item] += 1
        return item in (3, 11)

    pool = Recorder(fatal)
    results = dict(completed(range(20), pool, workers=2, ahead=1))
    assert results == {n: None if n in (3, 11) else -n for n in range(20)}
    assert tries[3] == tries[11] == 3
    # What was read ahead beside them is done for good at its second try.
    assert all(count == 1 for number, count in tries.items() if number not in (3, 11))
    assert set(pool.alone[-2:]) == {3, 11}


def test_workers_that_all_die_are_no_items_fault() -> None:
    pool = Recorder(lambda _: True)
    with pytest.raises(InputError, match="died one after the other"):
        list(completed(range(1000), pool, workers=2))
    assert pool.started < 40


class Slow:
    """Steps that take a while, and say when they ran."""

    def __init__(self) -> None:
        self.spans: dict[tuple[str, int], tuple[float, float]] = {}
        self.threads: set[int] = set()

    def read(self, item: int) -> int | Settled[int]:
        return Settled(-1) if item < 0 else self._step("read", item)

    def work(self, content: int) -> int:
        self.threads.add(threading.get_ident())
        return self._step("work", content)

    def write(self, answer: int) -> int:
        return self._step("write", answer)

    def _step(self, name: str, item: int) -> int:
        began = time.monotonic()
        time.sleep(0.1)
        self.spans[name, item] = began, time.monotonic()
        return item


def test_the_next_item_is_read_while_one_is_worked_on_and_work_has_one_thread() -> None:
    job = Slow()
    pipeline: Pipeline[int, int] = Pipeline(job)
    threads = [threading.Thread(target=pipeline, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = sorted(range(2), key=lambda number: job.spans["work", number])
    assert job.spans["read", second][0] < job.spans["work", first][0]
    assert job.spans["work", second][0] >= job.spans["work", first][1]
    assert job.spans["write", first][0] < job.spans["work", second][1]
    assert len(job.threads) == 1
    assert threading.get_ident() not in job.threads
    assert pipeline(-5) == -1
    assert ("work", -5) not in job.spans


def interrupted(started: list[Any]) -> None:
    with local_pool(Slow(), 1) as pool:
        number = pool.start()
        pool.wait()
        started.append(pool._of[number][0])
        raise KeyboardInterrupt


def test_processes_end_with_an_error_in_the_block() -> None:
    started: list[Any] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(started)
    assert not started[0].is_alive()
