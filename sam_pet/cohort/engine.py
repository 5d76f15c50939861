"""Tasks over processes: a process that dies takes no other task with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from sam_pet.processes import end_with_parent
from sam_pet.threads import shared_by

T = TypeVar("T")
R = TypeVar("R")
DIED = "the process died, probably for want of memory"


def completed(items: Sequence[T], task: Callable[[T], R], workers: int) -> Iterator[tuple[T, R | None]]:
    """Each item with what the task returns for it, as soon as it is there; None where its process died twice.

    When a process dies, the tasks that were under way run again, each alone; one that kills its process then is given
    up. The task and its items are pickled, and an error that the task raises ends the run.
    """
    waiting = list(items)
    # Under way when a process died: one of them is to blame, which shows when they run alone.
    suspects: list[T] = []
    while waiting or suspects:
        alone = bool(suspects)
        batch = [suspects.pop(0)] if alone else waiting
        running: dict[Future[R], T] = {}
        try:
            with shared_by(workers), _pool(1 if alone else workers) as pool:
                while batch or running:
                    while batch and len(running) < workers:
                        running[pool.submit(task, batch[0])] = batch[0]
                        batch.pop(0)
                    for future in wait(running, return_when=FIRST_COMPLETED).done:
                        result = future.result()
                        yield running.pop(future), result
        except BrokenProcessPool:
            if alone:
                yield from ((item, None) for item in running.values())
            else:
                suspects = list(running.values())


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent)
