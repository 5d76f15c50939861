"""What a run was computed with: versions, machine, device and threads."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import platform
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import sam_pet
from sam_pet.threads import usable_cores

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")


def environment(device: str | None = None) -> dict[str, Any]:
    """All that last digits may depend on beside inputs and weights; it names no machine and no user.

    Args:
        device: that the model is on; by default the one that models go to by themselves.
    """
    torch = sys.modules.get("torch")
    if device is None and torch is not None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    gpu = torch.cuda.get_device_name() if torch is not None and (device or "").startswith("cuda") else None
    return {
        "sam_pet": sam_pet.__version__,
        "code": _code(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "device": device if gpu is None else f"{device}: {gpu}",
        "threads": {
            "torch": None if torch is None else torch.get_num_threads(),
            "usable cores": usable_cores(),
            **{name: os.environ[name] for name in _THREADS if name in os.environ},
        },
        "packages": dict(_lock()),
    }


def versions(packages: Iterable[str]) -> dict[str, str | None]:
    """The versions of some packages, None for those that are not installed."""
    found: dict[str, str | None] = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


@cache
def _code() -> str:
    """The SHA-256 of this package's own code: a version number stands while a checkout is worked on."""
    root = Path(sam_pet.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


@cache
def _lock() -> tuple[tuple[str, str], ...]:
    """Name and version of every package that is installed."""
    return tuple(sorted({(d.name, d.version) for d in importlib.metadata.distributions() if d.name}))
