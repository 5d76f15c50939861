"""The errors a user can cause, as one line that says what, where and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """The input is at fault: the command line prints the message alone and exits with 2."""


@contextmanager
def reported(program: str) -> Iterator[None]:
    """Turn an `InputError` of the block into one line on stderr, after the program's name, and exit code 2."""
    try:
        yield
    except InputError as error:
        print(f"{program}: {error}", file=sys.stderr)
        sys.exit(2)
