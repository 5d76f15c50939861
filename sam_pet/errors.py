"""The errors a user can cause, as one line that says what, where and what to do."""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

# Set to see where an error that is none of the user's comes from.
TRACEBACK = "SAM_PET_TRACEBACK"
_STDERR = 2


class InputError(ValueError):
    """The input is at fault: the command line prints the message alone and exits with 2.

    Examples:
        >>> import sam_pet
        >>> try:
        ...     sam_pet.read_study(ct=None, pet="nowhere.nii.gz")
        ... except sam_pet.InputError as error:
        ...     print(error)
        PET: no such file: nowhere.nii.gz
    """

    def __init__(self, message: str) -> None:
        super().__init__(_in_one_line(message))


def one_line(error: BaseException) -> str:
    """What an error of a library says, as one line without escape codes; its type where it says nothing.

    Bytes of a file name that are no characters here are shown by their numbers.
    """
    return _in_one_line(str(error)) or type(error).__name__


def _in_one_line(text: str) -> str:
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] if "\ud800" <= c <= "\udfff" else "\n" for c in text)
    return " ".join(line.strip() for line in shown.splitlines() if line.strip())


@contextmanager
def without_native_messages() -> Iterator[None]:
    """Keep what native libraries print beside their errors off stderr: the error is told in one line."""
    try:
        kept, nowhere = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
    except OSError:
        yield
        return
    try:
        os.dup2(nowhere, _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def reported(program: str) -> Iterator[None]:
    """Turn errors of the block into one line on stderr, after the program's name, and an exit code.

    2: the input is at fault (`InputError`), or a file or folder cannot be read or written (`OSError`). 1: memory ran
    out, or the program has a fault. Asked to end by SIGTERM it takes its unfinished files away.
    """
    for stream in (sys.stdout, sys.stderr):
        # Not every console knows every character of a path.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with suppress(ValueError):  # only the main thread may
        if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            signal.signal(signal.SIGTERM, _end)
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except InputError as error:
        _say(program, one_line(error), 2)
    except BrokenPipeError:
        # Who has read enough wants no more; Python would complain at its end.
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        _say(program, f"cannot read or write {where}{error.strerror or one_line(error)}", 2)
    except MemoryError:
        _say(program, "memory ran out; close other programs, or give a smaller image", 1)
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        _say(
            program,
            f"unexpected {type(error).__name__} ({one_line(error)[:200]}): a fault of this program; "
            f"please report it, with what is printed where {TRACEBACK}=1 is set",
            1,
        )


def _say(program: str, line: str, code: int) -> None:
    with suppress(OSError):
        print(f"{program}: {line}", file=sys.stderr)
    sys.exit(code)


def _end(number: int, _: Any) -> None:
    sys.exit(128 + number)
