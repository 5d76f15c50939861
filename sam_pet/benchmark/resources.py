"""Seconds and peak memory of a stretch of work."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
_RESET_PEAK = "5"


@dataclass
class Usage:
    """Wall-clock seconds; peak resident memory of the process in MB, None where the system does not tell (Windows);
    peak memory held on the GPU in MB, None without one. Filled in when the stretch ends."""

    seconds: float = 0.0
    peak_mb: float | None = None
    gpu_peak_mb: float | None = None


@contextmanager
def measured() -> Iterator[Usage]:
    """Measure a block. Where the system cannot reset the peak (it is Linux that can), the memory is the process's peak
    so far."""
    usage = Usage()
    _reset_peaks()
    began = time.perf_counter()
    try:
        yield usage
    finally:
        usage.seconds = time.perf_counter() - began
        usage.peak_mb = _peak_mb()
        usage.gpu_peak_mb = _gpu_peak_mb()


def _reset_peaks() -> None:
    with suppress(OSError):
        _CLEAR.write_text(_RESET_PEAK, encoding="ascii")
    gpu = _gpu()
    if gpu is not None:
        gpu.reset_peak_memory_stats()


def _peak_mb() -> float | None:
    try:
        lines = _STATUS.read_text(encoding="utf-8", errors="replace").splitlines()
        return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) / 1024
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1024 if sys.platform != "darwin" else peak / 1024**2


def _gpu_peak_mb() -> float | None:
    gpu = _gpu()
    return None if gpu is None else float(gpu.max_memory_allocated()) / 1024**2


def _gpu() -> Any:
    """torch.cuda, if a method has loaded torch and there is a GPU."""
    torch = sys.modules.get("torch")
    return torch.cuda if torch is not None and torch.cuda.is_available() else None
