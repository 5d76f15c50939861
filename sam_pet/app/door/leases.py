"""Leases of nnInteractive's clients: a session for each, until it is given back or nobody is there any more."""

from __future__ import annotations

import secrets
import threading
import time

from sam_pet.app.door.objects import ObjectSession
from sam_pet.app.problems import AppError
from sam_pet.segmenter import Segmenter

IDLE_S = 1800.0
ALIVE_S = 120.0
MOST = 8


class LeaseGoneError(AppError):
    """The lease is not known any more."""

    status = 410


class FullError(AppError):
    """No more clients can be served."""

    status = 503


class Leases:
    """The clients at the door."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._segmenter = segmenter
        self._held: dict[str, tuple[str, ObjectSession]] = {}
        self._lock = threading.Lock()

    def claim(self, reader: str) -> str:
        """A new lease.

        Raises:
            FullError: there are as many as there may be.
        """
        self.sweep()
        with self._lock:
            if len(self._held) >= MOST:
                raise FullError(f"the server serves {MOST} clients already; close one")
            token = secrets.token_hex(16)
            self._held[token] = (reader, ObjectSession(self._segmenter))
        return token

    def get(self, reader: str, token: str | None, *, using: bool = True) -> ObjectSession:
        """The session of a lease; `using` it keeps it longer than a sign of life.

        Raises:
            LeaseGoneError: there is no such lease.
        """
        self.sweep()
        with self._lock:
            owner, session = self._held.get(token or "", (None, None))
        if session is None or owner != reader:
            raise LeaseGoneError("the lease has ended; connect again")
        session.seen = time.monotonic()
        if using:
            session.used = session.seen
        return session

    def release(self, reader: str, token: str | None) -> None:
        with self._lock:
            if self._held.get(token or "", (None, None))[0] == reader:
                del self._held[token or ""]

    def remaining(self, session: ObjectSession) -> float:
        return max(0.0, IDLE_S - (time.monotonic() - session.used))

    def sweep(self) -> None:
        """Drop the leases of clients that are idle or gone."""
        now = time.monotonic()
        with self._lock:
            self._held = {
                token: (reader, session)
                for token, (reader, session) in self._held.items()
                if now - session.used < IDLE_S and now - session.seen < ALIVE_S
            }
