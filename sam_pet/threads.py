"""How many threads the numerical libraries use, and that waiting ones sleep.

Threads that wait for each other by spinning take the core from what they wait for as soon as anything else runs on the
machine. What the user has set in the environment wins.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

_COUNTS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
# libgomp's and Intel's words for: a waiting thread sleeps.
_SLEEP = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
# NumPy's matrices are small here: its own threads take half as much time again from the processors, and save none.
_NUMPY = {"OPENBLAS_NUM_THREADS": "1"}
# The count that this package has chosen, so that processes it starts do not take it for the user's.
_CHOSEN = "SAM_PET_THREADS"
_CPUS = Path("/sys/devices/system/cpu")
_CGROUP = Path("/sys/fs/cgroup")
# Below so many multiply-adds a second thread is worth nothing: it gained nothing at 0.07e9, and a factor of 1.7 at 8e9.
_WORTH_A_THREAD = 1e9


def set_defaults(environment: MutableMapping[str, str] | None = None) -> None:
    """Set, where the user has not, what OpenMP, BLAS and ITK read as they are loaded.

    Args:
        environment: what to set it in; that of this process by default.
    """
    environment = os.environ if environment is None else environment
    for name, value in _SLEEP.items():
        environment.setdefault(name, value)
    if "OMP_NUM_THREADS" not in environment:
        for name, value in _NUMPY.items():
            environment.setdefault(name, value)
    if not user_set(environment):
        _choose(environment, usable_cores())


def user_set(environment: MutableMapping[str, str] | None = None) -> bool:
    """Whether `OMP_NUM_THREADS` is the user's own choice."""
    environment = os.environ if environment is None else environment
    return environment.get("OMP_NUM_THREADS") not in (None, environment.get(_CHOSEN))


@contextmanager
def shared_by(workers: int) -> Iterator[None]:
    """Processes started in the block share the cores, this many of them."""
    before = dict(os.environ)
    if not user_set():
        _choose(os.environ, max(1, usable_cores() // workers))
    try:
        yield
    finally:
        for name in (*_COUNTS, _CHOSEN):
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


def fit_to_work(multiply_adds: float) -> None:
    """Give torch as many threads as a pass of so many multiply-adds is worth.

    A small network is as fast on one thread, and does not suffer from what else runs on the machine.
    """
    _give(_chosen() if multiply_adds >= _WORTH_A_THREAD else 1)


def leave_room(workers: int) -> None:
    """Give torch the threads that processes which prepare its batches leave over, at least one."""
    _give(max(1, _chosen() - workers))


def _chosen() -> int:
    return int(os.environ.get(_CHOSEN, "1"))


def _give(count: int) -> None:
    torch = sys.modules.get("torch")
    if torch is None or user_set():
        return
    torch.set_num_threads(count)
    if os.environ.get("OPENBLAS_NUM_THREADS") == _NUMPY["OPENBLAS_NUM_THREADS"]:
        # A notebook may have imported numpy first, which does not look at the environment again.
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, user_api="blas")


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes on one thread in the block: last digits then do not depend on how work was divided."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def usable_cores() -> int:
    """The physical cores that this process may use: within its affinity and its control group's quota, at least 1."""
    has_affinity = hasattr(os, "sched_getaffinity")
    allowed = os.sched_getaffinity(0) if has_affinity else range(os.cpu_count() or 1)
    cores = len({_core(cpu) for cpu in allowed})
    quota = _quota()
    return max(1, cores if quota is None else min(cores, int(quota)))


def _choose(environment: MutableMapping[str, str], count: int) -> None:
    chosen = environment.get(_CHOSEN)
    for name in _COUNTS:
        if environment.get(name) in (None, chosen):
            environment[name] = str(count)
    environment[_CHOSEN] = str(count)


def _core(cpu: int) -> str:
    """What tells physical cores apart: the processors that share one."""
    try:
        return (_CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text(encoding="ascii").strip()
    except OSError:
        return str(cpu)


def _quota() -> float | None:
    """The processors' worth of time that the control group allows (version 2, else 1), None without a limit."""
    try:
        limit, period = (_CGROUP / "cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        try:
            limit = (_CGROUP / "cpu" / "cpu.cfs_quota_us").read_text(encoding="ascii").strip()
            period = (_CGROUP / "cpu" / "cpu.cfs_period_us").read_text(encoding="ascii").strip()
        except OSError:
            return None
    try:
        share = float(limit) / float(period)
    except (ValueError, ZeroDivisionError):  # "max"
        return None
    return share if share > 0 else None
