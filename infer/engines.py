"""Ways to run the container for a step under the challenge's limits: docker, podman, or a sandbox without either."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from rootfs import Config, as_user, environment

IMAGE = "sam-pet-autopet5"
MEMORY_BYTES = 30 * 2**30
SHARED_MEMORY_BYTES = 2 * 2**30
STEP_S = 600.0
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Folders:
    """What a container sees as /input (not to be written), /output, /cache and, if not None, /opt/ml/model."""

    input: Path
    output: Path
    cache: Path
    model: Path | None = None

    def mounts(self) -> list[tuple[Path, str, bool]]:
        """Path here, path inside, whether it can be written."""
        found = [(self.input, "/input", False), (self.output, "/output", True), (self.cache, "/cache", True)]
        return found if self.model is None else [*found, (self.model, "/opt/ml/model", False)]


@dataclass(frozen=True)
class Run:
    """A step that is over: its exit status (None if it was killed for its time), what it printed and logged, its cost.

    `peak_gb` is the most memory it took, file cache included as the limit counts it; None if the engine does not say.
    """

    status: int | None
    printed: str
    log: str
    seconds: float
    peak_gb: float | None = None


class Engine(Protocol):
    """Runs the container."""

    name: str

    def run(self, folders: Folders, variables: dict[str, str]) -> Run: ...


class Docker:
    """Docker or podman, with the options of the challenge, and a root file system that cannot be written."""

    def __init__(self, program: str) -> None:
        self.name = program

    def run(self, folders: Folders, variables: dict[str, str]) -> Run:
        container = f"sam-pet-{uuid.uuid4().hex}"
        command = [
            *(self.name, "run", "--rm", "--name", container, "--network=none", "--read-only", "--tmpfs=/tmp"),
            *("--cap-drop=ALL", "--security-opt=no-new-privileges", f"--shm-size={SHARED_MEMORY_BYTES}"),
            *(f"--memory={MEMORY_BYTES}", f"--memory-swap={MEMORY_BYTES}"),
            *(("--gpus=all",) if shutil.which("nvidia-smi") else ()),
            *(f"--env={name}={value}" for name, value in variables.items()),
            *(f"--volume={here}:{inside}{'' if rw else ':ro'}" for here, inside, rw in folders.mounts()),
            IMAGE,
        ]
        try:
            return _waited(command)
        finally:
            subprocess.run([self.name, "rm", "--force", container], capture_output=True, check=False)


class Sandbox:
    """A root file system under bubblewrap: no network, nothing to write but what the contract allows, the image's user
    without capabilities, and a limit of memory by cgroup, or by address space where there are no cgroups to be had."""

    name = "sandbox"

    def __init__(self, root: Path, config: Config) -> None:
        self._root = root
        self._config = config

    def run(self, folders: Folders, variables: dict[str, str]) -> Run:
        with _memory_group() as group:
            if group is None:
                limit = ["prlimit", f"--as={MEMORY_BYTES}"]
            else:
                limit = ["sh", "-c", f'echo $$ > {group / "cgroup.procs"} && exec "$@"', "sh"]
            run = _waited([*limit, *self.command(folders, variables)])
            return replace(run, peak_gb=_peak_gb(group))

    def command(self, folders: Folders, variables: dict[str, str]) -> list[str]:
        """The command line of one step."""
        mounts = [
            (f"--{'' if writable else 'ro-'}bind", os.fspath(here), inside)
            for here, inside, writable in folders.mounts()
        ]
        return [
            *("bwrap", "--ro-bind", os.fspath(self._root), "/", "--dev", "/dev", "--proc", "/proc"),
            *("--perms", "1777", "--size", str(SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm"),
            *("--perms", "1777", "--tmpfs", "/tmp"),
            *(word for mount in mounts for word in mount),
            *("--unshare-net", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
            *("--die-with-parent", "--new-session"),
            *environment(self._config.env | variables),
            *("--chdir", self._config.workdir, "--", *as_user(self._config.user), *self._config.entrypoint),
        ]


def _waited(command: list[str]) -> Run:
    began = time.monotonic()
    # A session of its own, so that all of it can be killed.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        printed, log = process.communicate(timeout=STEP_S)
        status: int | None = process.returncode
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        printed, log = process.communicate()
        status = None
    return Run(status, printed, log, time.monotonic() - began)


@contextmanager
def _memory_group() -> Iterator[Path | None]:
    """A cgroup with the memory limit, of version 1 or 2; None if none can be made."""
    for parent, file in ((_CGROUPS / "memory", "memory.limit_in_bytes"), (_CGROUPS, "memory.max")):
        group = parent / f"sam-pet-{uuid.uuid4().hex}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            (group / file).write_text(str(MEMORY_BYTES))
        except OSError:
            group.rmdir()
            continue
        try:
            yield group
        finally:
            _removed(group)
        return
    yield None


def _removed(group: Path) -> None:
    for _ in range(50):
        with contextlib.suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.1)


def _peak_gb(group: Path | None) -> float | None:
    for name in ("memory.max_usage_in_bytes", "memory.peak"):
        if group is not None and (group / name).is_file():
            return int((group / name).read_text()) / 1e9
    return None


def find_program() -> str | None:
    """The container engine that runs here; None if there is none."""
    for program in ("docker", "podman"):
        if (
            shutil.which(program)
            and subprocess.run([program, "info"], capture_output=True, check=False).returncode == 0
        ):
            return program
    return None
