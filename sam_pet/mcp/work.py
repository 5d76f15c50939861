"""Long work beside the server's loop: one piece at a time, with a sign of life, and taken back when it is cancelled."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import anyio
import anyio.to_thread

from sam_pet.errors import InputError

T = TypeVar("T")
BEAT_S = 5.0
MOST_WAITING = 16


class _Ending:
    """Whether work was finished or given up: what is claimed first holds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.ended: str | None = None

    def claim(self, how: str) -> bool:
        with self._lock:
            self.ended = self.ended or how
            return self.ended == how


class Worker:
    """Runs work in threads, one piece at a time: models and sessions are not made for more."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._waiting = 0

    async def run(
        self, task: Callable[[], T], take_back: Callable[[], None], beat: Callable[[float], Awaitable[None]]
    ) -> T:
        """Do `task` and return what it returns.

        Args:
            task: what is to be done.
            take_back: called in the thread in place of a result that nobody waits for any more; also where the task
                was not begun.
            beat: called at once and then every 5 s, with the seconds that have passed.

        Raises:
            InputError: too much work waits already.
            Exception: whatever the task raises.
        """
        if self._waiting >= MOST_WAITING:
            take_back()
            raise InputError("the server is busy with other calls; try again in a minute")
        ending = _Ending()

        def work() -> T | Exception:
            with self._turn:
                try:
                    found: T | Exception | None = task() if ending.ended is None else None
                except Exception as error:
                    found = error
                if not ending.claim("finished"):
                    take_back()
                self._waiting -= 1
                return found  # type: ignore[return-value]  # None only where nobody waits for it

        self._waiting += 1
        async with anyio.create_task_group() as group:
            group.start_soon(_beating, beat)
            try:
                found = await anyio.to_thread.run_sync(work, abandon_on_cancel=True)
            finally:
                ending.claim("given up")
            group.cancel_scope.cancel()
        if isinstance(found, Exception):
            raise found
        return found


async def _beating(beat: Callable[[float], Awaitable[None]]) -> None:
    started = time.monotonic()
    while True:
        # Who has gone cannot be told.
        with suppress(Exception):
            await beat(time.monotonic() - started)
        await anyio.sleep(BEAT_S)
