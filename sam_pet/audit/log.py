"""The log on disk: a JSON object a line, each with the SHA-256 of the line before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.audit.actor import Actor
from sam_pet.growing import append_lines

LOG = "audit.jsonl"
# What the first line holds in place of the hash of a line before.
NOTHING = "0" * 64


@dataclass(frozen=True)
class Act:
    """Something that was done.

    Attributes:
        actor: who did it.
        action: what, in a word: `start`, `add`, `undo`, `case`, `seal` ...
        details: what it was done with, as JSON knows it.
        result: what came of it.
        mask_sha256: of the mask after it, see `mask_sha256`; None where there is none.
        time: in UTC; now by default.
    """

    actor: Actor
    action: str
    details: Mapping[str, Any] = field(default_factory=dict)
    result: Mapping[str, Any] = field(default_factory=dict)
    mask_sha256: str | None = None
    time: str = field(default_factory=lambda: now())


class AuditLog:
    """The log of a run. It only grows: what stands in it is never written again.

    Example:
        >>> log = AuditLog(Path("out") / LOG)
        >>> log.append(Act(Actor("agent", "agent:rule"), "stop", result={"dice": 0.8}))

    A line that a killed process left unfinished is cut off by the next one that writes. Acts that alone are no reason
    to write, as the start of a run that then finds everything done, can wait for one that is.

    Args:
        path: of the file, which need not be there yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        content = path.read_bytes() if path.is_file() else b""
        self._whole = content.rfind(b"\n") + 1
        texts = content[: self._whole].splitlines()
        self.lines = len(texts)
        self.head = _sha256(texts[-1]) if texts else NOTHING
        self._waiting: list[Act] = []
        self._then: Callable[[], object] | None = None

    def append(self, *acts: Act) -> str:
        """Add acts in order, on disk when this returns, and return the new head: the SHA-256 of the last line."""
        content = b""
        waiting, self._waiting = self._waiting, []
        for act in (*waiting, *acts):
            text = json.dumps(self._line(act), ensure_ascii=False).encode()
            self.lines, self.head = self.lines + 1, _sha256(text)
            content += text + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        append_lines(self.path, content, self._whole)
        self._whole += len(content)
        then, self._then = self._then, None
        if then is not None:
            then()
        return self.head

    def wait_with(self, *acts: Act, then: Callable[[], object] | None = None) -> None:
        """Add acts only if others follow, and call `then` once they are on disk."""
        self._waiting += acts
        self._then = then or self._then

    def repeats(self, acts: Sequence[Act]) -> bool:
        """Whether acts, their times aside, are those that the log ends in, since its last start."""
        if not self.path.is_file():
            return False
        entries = [entry for entry in read_log(self.path).entries if entry.get("action") != "seal"]
        starts = [number for number, entry in enumerate(entries) if entry.get("action") == "start"]
        known = entries[starts[-1] :] if starts else []
        told = json.loads(json.dumps([self._line(act) for act in acts]))
        return [_lasting(entry) for entry in known] == [_lasting(line) for line in told]

    @property
    def record(self) -> dict[str, Any]:
        """What a manifest holds of it."""
        return {"lines": self.lines, "head": self.head}

    def _line(self, act: Act) -> dict[str, Any]:
        rest = {"details": dict(act.details), "result": dict(act.result), "mask_sha256": act.mask_sha256}
        return {
            "line": self.lines,
            "time": act.time,
            "actor": act.actor.record,
            "action": act.action,
            **{key: value for key, value in rest.items() if value},
            "previous": self.head,
        }


@dataclass(frozen=True)
class ReadLog:
    """A log as it stands on disk.

    Attributes:
        entries: the lines that are JSON objects, by number.
        heads: the SHA-256 of each line.
        fault: the first thing that is wrong with the chain, in one line; None where it holds.
        torn: whether the last line is unfinished.
    """

    entries: Sequence[Mapping[str, Any]]
    heads: Sequence[str]
    fault: str | None
    torn: bool


def read_log(path: Path) -> ReadLog:
    """Read a log and follow its chain."""
    *texts, rest = path.read_bytes().split(b"\n")
    entries: list[Mapping[str, Any]] = []
    heads: list[str] = []
    fault = None
    for number, text in enumerate(texts):
        try:
            entry = json.loads(text)
            wrong = not isinstance(entry, dict) or entry.get("line") != number
        except (ValueError, RecursionError):
            entry, wrong = {}, True
        if wrong:
            fault = fault or f"line {number} is damaged"
        elif entry.get("previous") != (heads[-1] if heads else NOTHING):
            fault = fault or f"line {max(number - 1, 0)} is not as it was when line {number} was written"
        entries.append(entry if isinstance(entry, dict) else {})
        heads.append(_sha256(text))
    return ReadLog(entries, heads, fault, bool(rest))


def _lasting(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line without what its place and its time make of it."""
    return {key: value for key, value in line.items() if key not in ("line", "time", "previous")}


def mask_sha256(mask: npt.NDArray[np.uint8]) -> str:
    """The SHA-256 of a mask [z, y, x] of 0 and 1, as uint8 in this order of axes."""
    return hashlib.sha256(np.ascontiguousarray(mask, np.uint8).data).hexdigest()


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")


def _sha256(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()
