"""Tasks over workers: one that dies takes no task with it, and none is tried for ever."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, islice
from typing import Generic, Protocol, TypeVar

from sam_pet.errors import InputError

T = TypeVar("T")
R = TypeVar("R")
ItemT = TypeVar("ItemT", contravariant=True)
ResultT = TypeVar("ResultT", covariant=True)
DIED = "the process died each time, probably for want of memory"
# A task is tried with others, then alone in a worker, then at the end, when the machine is free: one of so many workers
# is then given one.
_TRIES, _SPREAD = 3, 16
# So many workers, for each one wanted and beyond, that die in a row before any has done a task: no task is to blame.
_DEATHS = 4, 20


@dataclass(frozen=True)
class Ready:
    """A worker can be given tasks."""

    worker: int


@dataclass(frozen=True)
class Done(Generic[ResultT]):
    """A worker has done a task."""

    worker: int
    ticket: int
    result: ResultT


@dataclass(frozen=True)
class Died:
    """A worker is gone, with the tasks that it was given and has not done."""

    worker: int


Event = Ready | Done[ResultT] | Died


class Pool(Protocol[ItemT, ResultT]):
    """Workers, by number. They start one by one, and tell when they are ready."""

    def start(self) -> int:
        """Start a worker and return its number."""
        ...

    def send(self, worker: int, ticket: int, item: ItemT) -> None:
        """Give a ready worker a task; one that is dead will be told of as such."""
        ...

    def wait(self) -> Sequence[Event[ResultT]]:
        """What has happened since, at least one event.

        Raises:
            Exception: what a task has raised.
        """
        ...


@dataclass
class _Task(Generic[T]):
    item: T
    deaths: int = 0


def completed(items: Iterable[T], pool: Pool[T, R], workers: int, ahead: int = 0) -> Iterator[tuple[T, R | None]]:
    """Each item with its result, as soon as it is there; None where its worker died each time.

    The cost of an item does not depend on how many there are: items are taken as workers want them.

    Args:
        items: taken one by one, no more than `workers` before they can be started.
        pool: of workers; started as there is work for them.
        workers: at most so many.
        ahead: tasks that a worker is given beyond the one it works on, so that it can read them meanwhile.

    Raises:
        InputError: workers die one after the other before any has done a task.
        Exception: what a task has raised.
    """
    return _Run(items, pool, workers, ahead).results()


class _Run(Generic[T, R]):
    def __init__(self, items: Iterable[T], pool: Pool[T, R], workers: int, ahead: int) -> None:
        self.items, self.pool, self.workers, self.ahead = iter(items), pool, workers, ahead
        self.tickets = count()
        self.upcoming: deque[_Task[T]] = deque()
        # They were with a worker that died. The last ones have since been alone with another.
        self.suspects: deque[_Task[T]] = deque()
        self.last: deque[_Task[T]] = deque()
        self.held: dict[int, dict[int, _Task[T]]] = {}
        self.starting: set[int] = set()
        self.idle: set[int] = set()
        self.deaths = 0

    def results(self) -> Iterator[tuple[T, R | None]]:
        self._start_missing()
        while self.held or self.starting:
            for event in self.pool.wait():
                if isinstance(event, Died):
                    yield from self._bury(event.worker)
                elif isinstance(event, Ready):
                    self.starting.discard(event.worker)
                    self.held[event.worker] = {}
                    self._feed(event.worker)
                else:
                    self.deaths = 0
                    task = self.held[event.worker].pop(event.ticket)
                    yield task.item, event.result
                    self._feed(event.worker)
            self._feed_idle()
            if not self.left and not any(self.held.values()):
                return

    @property
    def left(self) -> bool:
        """Whether there is a task that no worker has."""
        self._look_ahead()
        return bool(self.upcoming or self.suspects or self.last)

    def _look_ahead(self) -> None:
        # Looked at only when few are left, so that a run over many does not pay for it.
        if len(self.upcoming) < self.workers:
            self.upcoming.extend(_Task(item) for item in islice(self.items, self.workers - len(self.upcoming)))

    def _start_missing(self) -> None:
        self._look_ahead()
        waiting = len(self.upcoming) + len(self.suspects) + len(self.last)
        free = len(self.starting) + len(self.idle)
        room = self.workers - len(self.starting) - len(self.held)
        for _ in range(min(room, waiting - free)):
            self.starting.add(self.pool.start())

    def _feed(self, worker: int) -> None:
        held = self.held[worker]
        while (task := self._next(held)) is not None:
            ticket = next(self.tickets)
            held[ticket] = task
            self.pool.send(worker, ticket, task.item)
        if held:
            self.idle.discard(worker)
        else:
            self.idle.add(worker)

    def _feed_idle(self) -> None:
        for worker in list(self.idle):
            self._feed(worker)
            if worker in self.idle:
                break

    def _next(self, held: dict[int, _Task[T]]) -> _Task[T] | None:
        """What a worker that has tasks may be given beside them."""
        self._look_ahead()
        if held:
            alone = any(task.deaths for task in held.values())
            # Towards the end what one reads ahead is what another waits for.
            room = len(held) <= self.ahead and len(self.upcoming) >= self.workers
            return self.upcoming.popleft() if room and not alone else None
        if self.suspects:
            return self.suspects.popleft()
        if self.upcoming:
            return self.upcoming.popleft()
        if self.last and sum(map(bool, self.held.values())) < max(1, self.workers // _SPREAD):
            return self.last.popleft()
        return None

    def _bury(self, worker: int) -> Iterator[tuple[T, None]]:
        self.starting.discard(worker)
        self.idle.discard(worker)
        self.deaths += 1
        if self.deaths >= _DEATHS[0] * self.workers + _DEATHS[1]:
            raise InputError(
                f"batch: {self.deaths} workers died one after the other and none did any work; "
                "see what ends them (memory, a broken installation), then run this again: what is done is kept"
            )
        for task in self.held.pop(worker, {}).values():
            task.deaths += 1
            if task.deaths == _TRIES:
                yield task.item, None
            else:
                (self.suspects if task.deaths == 1 else self.last).append(task)
        self._start_missing()
