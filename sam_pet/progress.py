"""Progress bars: on stderr, and only where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def steps(items: Iterable[T], description: str, total: int | None = None) -> Iterable[T]:
    """The items, with a bar that counts them; `total` where they do not know how many they are."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(items, description, total, console=console, transient=True, disable=not sys.stderr.isatty())
