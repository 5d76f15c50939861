"""What was looked at, and what was found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Status = Literal["agrees", "differs", "unchecked"]
STATUSES: tuple[Status, ...] = ("agrees", "differs", "unchecked")


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `unchecked` is what cannot be checked, and `detail` says why."""

    what: str
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Verification:
    """All that was looked at in a run.

    Attributes:
        run: `session`, `evaluation`, `training` or `cohort`.
        head: the SHA-256 of the last line of its log; None where there is none.
    """

    run: str
    head: str | None
    checks: Sequence[Check]

    def count(self, status: Status) -> int:
        return sum(check.status == status for check in self.checks)

    @property
    def record(self) -> dict[str, Any]:
        """As `--json` prints it."""
        counts: dict[str, Any] = {status: self.count(status) for status in STATUSES}
        return {"run": self.run, "head": self.head, **counts, "checks": [asdict(check) for check in self.checks]}


@dataclass(frozen=True)
class Asked:
    """What a user gives to have a run verified.

    Attributes:
        pet: of a session.
        ct: of a session.
        cases: folder of an evaluation's or a training's cases.
        model: weights of a session, where they are not where they were.
        device: to compute on.
        workers: processes of an evaluation.
        rerun: whether outputs are computed again.
    """

    pet: Path | None = None
    ct: Path | None = None
    cases: Path | None = None
    model: str | None = None
    device: str = "auto"
    workers: int = 1
    rerun: bool = True


NOT_RERUN = Check("outputs computed again", "unchecked", "left out by --hashes-only")


def compared(what: str, same: bool, detail: str = "", why: str = "") -> Check:
    """A check that agrees, with `detail`, or differs, with `why`."""
    return Check(what, "agrees", detail) if same else Check(what, "differs", why or detail)
