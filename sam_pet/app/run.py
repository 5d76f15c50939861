"""Starting a server and saying where it is."""

from __future__ import annotations

import os
import socket
import threading
import webbrowser
from contextlib import closing, suppress
from dataclasses import replace

import uvicorn

from sam_pet.app.events import EventHub
from sam_pet.app.room import ReadingRoom
from sam_pet.app.server import make_app
from sam_pet.app.settings import AppSettings
from sam_pet.errors import InputError
from sam_pet.segmenter import Segmenter

_GRACE_S = 2


def run(settings: AppSettings, host: str, port: int, *, browser: bool) -> None:
    """Serve until told to end; each reader's address is printed, one a line.

    Raises:
        InputError: the port cannot be listened on, the model cannot be loaded, or another server uses the folder.
    """
    if host not in ("0.0.0.0", "::"):
        settings = replace(settings, hosts=(*settings.hosts, f"[{host}]" if ":" in host else host))
    with closing(_listening(host, port)) as listener, closing(_alone(settings)):
        segmenter = Segmenter.from_pretrained(settings.model, settings.device)
        segmenter.warn_of_weights()
        # Loaded by the first who needs them; two at once would do it twice.
        _ = segmenter.lesion_classifier, segmenter.ranker
        room = ReadingRoom(settings, segmenter)
        _ = room.catalogue.of(settings.readers[0])
        shown = "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        addresses = {
            reader: f"http://{shown}:{listener.getsockname()[1]}/?token={room.tokens.of(reader)}"
            for reader in settings.readers
        }
        for reader, address in addresses.items():
            print(address if len(addresses) == 1 else f"{reader}: {address}", flush=True)
        if browser:
            first = next(iter(addresses.values()))
            threading.Thread(target=webbrowser.open, args=(first,), daemon=True).start()
        # No access log: an address holds the token.
        config = uvicorn.Config(
            make_app(room),
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_S,
        )
        _Server(config, room.events).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Ends the streams of open windows first: they would hold it up, and be cancelled with a stack trace."""

    def __init__(self, config: uvicorn.Config, events: EventHub) -> None:
        super().__init__(config)
        self._events = events

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._events.close()
        await super().shutdown(sockets)


def _listening(host: str, port: int) -> socket.socket:
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except (OSError, OverflowError) as error:
        raise InputError(f"serve: cannot listen on {host}:{port} ({error}); give another --host or --port") from error
    return listener


class _Lock:
    """A file that only one server holds; the system lets go of it when the process ends, however that is."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        os.close(self._descriptor)


def _alone(settings: AppSettings) -> _Lock:
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(settings.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    with suppress(ModuleNotFoundError):
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise InputError(f"serve: another server uses {settings.folder}; give another --folder") from error
    return _Lock(descriptor)
