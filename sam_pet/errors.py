"""The errors a user can cause, as one line that says what, where and what to do."""

from __future__ import annotations


class InputError(ValueError):
    """The input is at fault: the command line prints the message alone and exits with 2."""
