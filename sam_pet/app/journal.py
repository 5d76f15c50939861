"""A session's journal: one line a change, on disk before the change is acknowledged."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sam_pet.app.problems import NotNowError

Op = dict[str, Any]
JOURNAL = "journal.jsonl"


class Journal:
    """Lines that are whole or absent, whenever the process ends.

    Args:
        path: of the file; it is made if it is not there. What a killed process has left of a line is cut off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        whole = _whole_bytes(path)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._stream = os.fdopen(descriptor, "r+b", buffering=0)
        self._stream.truncate(whole)
        self._stream.seek(whole)

    def append(self, op: Op) -> None:
        """Write a line through to the disk.

        Raises:
            OSError: it could not be; the journal is what it was before.
        """
        end = self._stream.tell()
        line = memoryview(json.dumps(op, separators=(",", ":")).encode() + b"\n")
        try:
            while line:
                line = line[self._stream.write(line) :]
            os.fsync(self._stream.fileno())
        except OSError:
            self._stream.seek(end)
            self._stream.truncate(end)
            raise

    def close(self) -> None:
        self._stream.close()


def read_journal(path: Path) -> list[Op]:
    """The changes in a journal, in order.

    Raises:
        NotNowError: a line is damaged.
    """
    if not path.exists():
        return []
    lines = path.read_bytes()[: _whole_bytes(path)].splitlines()
    try:
        ops = [json.loads(line) for line in lines]
    except ValueError as error:
        raise NotNowError("the journal of this session is damaged; restore the file from a backup") from error
    return ops


def glance(path: Path) -> tuple[int, Op]:
    """How many changes a journal holds, and the last of them, {} if there is none or it is damaged."""
    lines = path.read_bytes()[: _whole_bytes(path)].splitlines()
    try:
        last = json.loads(lines[-1]) if lines else {}
    except ValueError:
        last = {}
    return len(lines), last if isinstance(last, dict) else {}


def standing(ops: list[Op]) -> tuple[list[Op], int]:
    """The changes that what is to be seen depends on, and how many of the last to take back again.

    What was undone and can no longer be redone is left out.
    """
    steps: list[int] = []
    later: list[int] = []
    told: list[int] = []
    for number, op in enumerate(ops):
        if op["do"] == "undo":
            later.append(steps.pop())
        elif op["do"] == "redo":
            steps.append(later.pop())
        elif op["do"] == "facts":
            told.append(number)
        else:
            later.clear()
            steps.append(number)
    return [ops[number] for number in sorted([*steps, *later, *told])], len(later)


def _whole_bytes(path: Path) -> int:
    if not path.exists():
        return 0
    content = path.read_bytes()
    return content.rfind(b"\n") + 1
