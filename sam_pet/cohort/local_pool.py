"""Workers that are processes of this machine."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from threading import Lock
from typing import Any, Generic, TypeVar

from sam_pet.cohort.engine import Died, Done, Event, Ready, completed
from sam_pet.cohort.pipeline import Pipeline, PooledJob, WorkAlone
from sam_pet.errors import InputError, one_line
from sam_pet.processes import end_with_parent
from sam_pet.threads import shared_by

T = TypeVar("T")
R = TypeVar("R")
_END_S = 10.0


class LocalPool(Generic[T, R]):
    """Processes that do a job.

    Args:
        job: pickled to each.
        workers: how many there will be at once, to share the cores.
        ahead: as `completed` takes it.
    """

    def __init__(self, job: PooledJob[T, R], workers: int, ahead: int = 0) -> None:
        self._job, self._workers, self._ahead = job, workers, ahead
        self._started = 0
        self._of: dict[int, tuple[SpawnProcess, Connection]] = {}

    def start(self) -> int:
        """See `Pool`."""
        context = get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._job, self._ahead), daemon=True)
        with shared_by(self._workers):
            process.start()
        theirs.close()
        self._started += 1
        self._of[self._started] = process, ours
        return self._started

    def send(self, worker: int, ticket: int, item: T) -> None:
        """See `Pool`."""
        with suppress(BrokenPipeError, ConnectionResetError):
            self._of[worker][1].send((ticket, item))

    def wait(self) -> Sequence[Event[R]]:
        """See `Pool`."""
        numbers = {connection: number for number, (_, connection) in self._of.items()}
        events: list[Event[R]] = []
        for connection in wait(list(numbers)):
            assert isinstance(connection, Connection)
            worker = numbers[connection]
            try:
                message = connection.recv()
            except (EOFError, ConnectionResetError):
                process, _ = self._of.pop(worker)
                connection.close()
                process.join()
                events.append(Died(worker))
                continue
            if message is None:
                events.append(Ready(worker))
            else:
                ticket, result, error = message
                if error is not None:
                    raise error
                events.append(Done(worker, ticket, result))
        return events

    def close(self, *, done: bool) -> None:
        """End the processes; at once where they are not `done`."""
        for process, connection in self._of.values():
            with suppress(OSError):
                connection.send(None)
            if not done:
                process.kill()
        for process, connection in self._of.values():
            process.join(_END_S)
            process.kill()
            process.join()
            connection.close()
        self._of.clear()


@contextmanager
def local_pool(job: PooledJob[T, R], workers: int, ahead: int = 0) -> Iterator[LocalPool[T, R]]:
    """A pool that is closed with the block."""
    pool = LocalPool(job, workers, ahead)
    done = False
    try:
        yield pool
        done = True
    finally:
        pool.close(done=done)


def over_processes(items: Iterable[T], task: Callable[[T], R], workers: int) -> Iterator[tuple[T, R | None]]:
    """Each item with what the task returns for it, see `completed`."""
    with local_pool(WorkAlone(task), workers) as pool:
        yield from completed(items, pool, workers)


def _serve(connection: Connection, job: PooledJob[Any, Any], ahead: int) -> None:
    """What a worker does: it answers until the connection ends."""
    end_with_parent()
    # An interrupt reaches the whole group; who started this process ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipeline: Pipeline[Any, Any] = Pipeline(job)
    turn = Lock()

    def answer(ticket: int, item: Any) -> None:
        result, error = None, None
        try:
            result = pipeline(item)
        except Exception as raised:
            error = raised if isinstance(raised, InputError | OSError | MemoryError) else _as_text(raised)
        with turn, suppress(OSError):
            connection.send((ticket, result, error))

    with turn:
        connection.send(None)
    with suppress(EOFError, OSError), ThreadPoolExecutor(1 + ahead) as threads:
        while (message := connection.recv()) is not None:
            threads.submit(answer, *message)


def _as_text(error: Exception) -> RuntimeError:
    """An error that can be pickled, whatever a library has put into it."""
    return RuntimeError(f"{type(error).__name__}: {one_line(error)}")
