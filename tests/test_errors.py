"""What the command line makes of errors: one line, an exit code, and nothing beside it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from sam_pet.errors import TRACEBACK, InputError, one_line, reported, without_native_messages


def told(capsys: pytest.CaptureFixture[str], error: BaseException) -> tuple[int, str]:
    with pytest.raises(SystemExit) as stopped, reported("sam-pet"):
        raise error
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert line.startswith("sam-pet: ")
    return int(str(stopped.value.code)), line.removeprefix("sam-pet: ")


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (InputError("a\nb\x1b[31m c"), 2, "a b [31m c"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "m.mha"), 2, "cannot read or write m.mha: No space left"),
        (PermissionError(errno.EACCES, "Permission denied", b"m\xe9.mha"), 2, "Permission denied"),
        (OSError("no number"), 2, "cannot read or write no number"),
        (MemoryError(), 1, "memory ran out"),
        (ZeroDivisionError(), 1, "unexpected ZeroDivisionError (ZeroDivisionError): a fault of this program"),
    ],
)
def test_every_error_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception, code: int, message: str
) -> None:
    monkeypatch.delenv(TRACEBACK, raising=False)
    found, line = told(capsys, error)
    assert found == code
    assert message in line


def test_an_unexpected_error_shows_its_place_where_that_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRACEBACK, "1")
    with pytest.raises(ZeroDivisionError), reported("sam-pet"):
        raise ZeroDivisionError


def run(code: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, env=os.environ | environment)


@pytest.mark.parametrize("console", ["cp1252", "ascii", "cp437", "utf-8", "utf-16"])
def test_a_console_that_lacks_characters_gets_their_numbers(console: str) -> None:
    code = (
        "from sam_pet.errors import *\nwith reported('sam-pet'):\n    print('患者')\n    raise InputError('患者 Łódź')"
    )
    done = run(code, PYTHONIOENCODING=console)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert done.stdout.decode(console).strip() in ("患者", "\\u60a3\\u8005")
    assert done.stderr.decode(console).strip().startswith("sam-pet: ")


def test_a_reader_that_has_seen_enough_gets_no_traceback() -> None:
    code = "from sam_pet.errors import *\nwith reported('sam-pet'):\n    print('x' * 10**6)"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.wait()


def test_native_libraries_say_nothing_beside_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with without_native_messages():
        os.write(2, b"MetaImage: Read failed\n")
    os.write(2, b"own\n")
    assert capfd.readouterr().err == "own\n"


def test_what_says_nothing_is_named_by_its_type() -> None:
    makers: list[Callable[[], Exception]] = [KeyError, lambda: ValueError(""), lambda: ValueError("\n\t")]
    assert [one_line(make()) for make in makers] == ["KeyError", "ValueError", "ValueError"]


def test_what_the_input_is_blamed_for_is_one_line_in_the_api_too() -> None:
    assert str(InputError("recipe: stages\n  0: two  spaces\x07 \x1b[31m")) == "recipe: stages 0: two  spaces [31m"
