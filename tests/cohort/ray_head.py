"""A small Ray cluster of this machine, that can be killed and started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Self

_FIXED = (
    *("--port", "--node-manager-port", "--object-manager-port", "--dashboard-agent-grpc-port"),
    *("--dashboard-agent-listen-port", "--metrics-export-port", "--runtime-env-agent-port", "--ray-client-server-port"),
)
_MOST_TRIES = 5


class RayHead:
    """Two processors, 80 MB of shared memory, no dashboard."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.address = ""

    def start(self) -> None:
        # Fixed ports, for which Ray waits less long on a machine that is busy.
        for _ in range(_MOST_TRIES):
            ports = free_ports(len(_FIXED))
            self.address = f"127.0.0.1:{ports[0]}"
            options = [f"{name}={port}" for name, port in zip(_FIXED, ports, strict=True)]
            self._process = subprocess.Popen(
                [
                    *(str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=2"),
                    *("--node-ip-address=127.0.0.1", "--object-store-memory=80000000", "--memory=8000000000"),
                    *("--include-dashboard=false", "--disable-usage-stats", "--include-log-monitor=false"),
                    *(f"--temp-dir={self._folder}", *options),
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            assert self._process.stdout is not None
            if any(b"Ray runtime started" in line for line in self._process.stdout):
                return
            self.kill()
        raise RuntimeError("Ray did not start")

    def kill(self) -> None:
        """The head and all that it has started, at once."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
