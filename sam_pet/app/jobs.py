"""Long work: it tells how far it is, and can be cancelled."""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Literal

from sam_pet.app.events import EventHub
from sam_pet.app.faults import log_fault
from sam_pet.app.problems import AppError, NotThereError
from sam_pet.errors import InputError, one_line

Kind = Literal["open", "load", "first-answer", "store"]
JobState = Literal["running", "done", "failed", "cancelled"]
_WORKERS = 4
# Finished ones that are still told of.
_KEPT = 200


class CancelledError(Exception):
    """A job was told to end."""


@dataclass(eq=False)
class AppJob:
    """One piece of long work of a reader."""

    reader: str
    kind: Kind
    session: str | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    state: JobState = "running"
    progress: float | None = None
    message: str = "waiting"
    result: dict[str, Any] | None = None
    error: str | None = None
    told: Callable[[AppJob], None] = lambda _: None
    _cancelled: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)

    def report(self, message: str, progress: float | None = None) -> None:
        """Say how far it is.

        Raises:
            CancelledError: it has been told to end.
        """
        if self._cancelled.is_set():
            raise CancelledError
        self.message, self.progress = message, progress
        self.told(self)

    def cancel(self) -> None:
        self._cancelled.set()

    def facts(self) -> dict[str, Any]:
        names = ("id", "kind", "state", "progress", "message", "session", "result", "error")
        return {name: getattr(self, name) for name in names}


Work = Callable[[AppJob], dict[str, Any] | None]


class Jobs:
    """The jobs of all readers."""

    def __init__(self, events: EventHub) -> None:
        self._events = events
        self._jobs: OrderedDict[str, AppJob] = OrderedDict()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="sam-pet-job")

    def start(self, reader: str, kind: Kind, work: Work, session: str | None = None) -> AppJob:
        job = AppJob(reader, kind, session, told=self._tell)
        with self._lock:
            self._jobs[job.id] = job
            ended = [name for name, other in self._jobs.items() if other.state != "running"]
            for name in ended[: max(0, len(self._jobs) - _KEPT)]:
                del self._jobs[name]
        self._pool.submit(self._run, job, work)
        return job

    def get(self, reader: str, name: str) -> AppJob:
        with self._lock:
            job = self._jobs.get(name)
        if job is None or job.reader != reader:
            raise NotThereError("there is no such job")
        return job

    def of(self, reader: str) -> list[AppJob]:
        with self._lock:
            return [job for job in self._jobs.values() if job.reader == reader]

    def close(self) -> None:
        """Cancel what runs."""
        with self._lock:
            jobs = list(self._jobs.values())
        for job in jobs:
            job.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _tell(self, job: AppJob) -> None:
        self._events.publish(job.reader, "job", job.facts())

    def _run(self, job: AppJob, work: Work) -> None:
        try:
            job.report("begun")
            job.result = work(job)
            job.state, job.progress, job.message = "done", 1.0, "done"
        except CancelledError:
            job.state, job.message = "cancelled", "cancelled"
        except (AppError, InputError, OSError) as error:
            job.state, job.error, job.message = "failed", told(error), "failed"
        except Exception as error:
            job.state, job.error, job.message = "failed", log_fault(error), "failed"
        finally:
            self._tell(job)
            job.ended.set()


def told(error: Exception) -> str:
    """The sentence of an error that the input or the disk has caused."""
    if isinstance(error, AppError):
        return error.sentence
    if isinstance(error, OSError):
        return f"a file cannot be read or written ({error.strerror or type(error).__name__})"
    return one_line(error)
