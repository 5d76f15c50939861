"""A reader that is fuzzed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Target:
    """A reader: `content` is sound, `read` is given a folder where it lies as `name`, damaged, beside `others`."""

    name: str
    content: bytes
    read: Callable[[Path], Any]
    others: tuple[tuple[str, bytes], ...] = ()


def of_folder(folder: Path, damaged: str, read: Callable[[Path], Any]) -> Target:
    """A reader of all of a folder, in which one file is damaged."""
    files = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return Target(damaged, files.pop(damaged), read, tuple(files.items()))
