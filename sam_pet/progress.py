"""Progress bars: on stderr, and only where a person watches."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")


def steps(items: Sequence[T], description: str) -> Iterable[T]:
    """The items, with a bar that counts them."""
    from rich.console import Console
    from rich.progress import track

    return track(items, description, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
