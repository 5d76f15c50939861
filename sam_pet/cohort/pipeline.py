"""A task within a worker: reading and writing beside the work, which one thread does."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

T = TypeVar("T")
R = TypeVar("R")
ItemT = TypeVar("ItemT", contravariant=True)
ResultT = TypeVar("ResultT", covariant=True)


@dataclass(frozen=True)
class Settled(Generic[T]):
    """What `PooledJob.read` returns where nothing is left to be done."""

    result: T


class PooledJob(Protocol[ItemT, ResultT]):
    """A task in three steps. It is pickled; what one step returns the next one takes."""

    def read(self, item: ItemT) -> Any: ...

    def work(self, content: Any) -> Any: ...

    def write(self, answer: Any) -> ResultT: ...


@dataclass(frozen=True)
class WorkAlone(Generic[T, R]):
    """A job that is all work."""

    task: Callable[[T], R]

    def read(self, item: T) -> T:
        return item

    def work(self, content: T) -> R:
        return self.task(content)

    def write(self, answer: R) -> R:
        return answer


class Pipeline(Generic[T, R]):
    """Does tasks for the threads that call it. All work is done by one thread of its own.

    Called from two threads, it reads one item while it works on another, and writes a third meanwhile.
    """

    def __init__(self, job: PooledJob[T, R]) -> None:
        self._job = job
        self._worker = ThreadPoolExecutor(1)

    def __call__(self, item: T) -> R:
        content = self._job.read(item)
        if isinstance(content, Settled):
            settled: R = content.result
            return settled
        return self._job.write(self._worker.submit(self._job.work, content).result())
