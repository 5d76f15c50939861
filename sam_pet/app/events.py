"""Server-sent events: what happens, told to every window that is open."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

_HEARTBEAT_S = 15.0
# A window that falls so far behind is cut off; it asks for the state again when it reconnects.
_MOST_WAITING = 1000


@dataclass(eq=False)
class _Listener:
    reader: str
    session: str | None
    loop: asyncio.AbstractEventLoop
    queue: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)

    def put(self, text: str | None) -> None:
        if self.queue.qsize() > _MOST_WAITING:
            text = None
        self.queue.put_nowait(text)


class EventHub:
    """Passes events from any thread to the windows of a reader."""

    def __init__(self) -> None:
        self._listeners: set[_Listener] = set()
        self._lock = threading.Lock()

    def publish(self, reader: str, event: str, data: dict[str, Any], session: str | None = None) -> None:
        """Tell a reader's windows; with a session only those that look at it."""
        with self._lock:
            listeners = [x for x in self._listeners if x.reader == reader and session in (None, x.session)]
        text = sse(event, data) if listeners else ""
        for listener in listeners:
            self._call(listener, text)

    def close(self) -> None:
        """End every stream."""
        with self._lock:
            listeners = list(self._listeners)
        for listener in listeners:
            self._call(listener, None)

    @staticmethod
    def _call(listener: _Listener, text: str | None) -> None:
        if not listener.loop.is_closed():
            listener.loop.call_soon_threadsafe(listener.put, text)

    async def stream(self, reader: str, session: str | None, hello: dict[str, Any]) -> AsyncIterator[str]:
        """The events of a reader, and of a session, from now on."""
        listener = _Listener(reader, session, asyncio.get_running_loop())
        with self._lock:
            self._listeners.add(listener)
        try:
            yield sse("hello", hello)
            while True:
                try:
                    text = await asyncio.wait_for(listener.queue.get(), _HEARTBEAT_S)
                except TimeoutError:
                    text = ": still here\n\n"
                if text is None:
                    return
                yield text
        finally:
            with self._lock:
                self._listeners.discard(listener)


def sse(event: str, data: dict[str, Any]) -> str:
    return f"event: {event}\ndata: {json.dumps(data)}\n\n"
