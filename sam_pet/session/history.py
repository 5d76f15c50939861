"""What was done in a session: every act, by whom, and the state after it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sam_pet.audit.actor import CALLER, Actor
from sam_pet.audit.log import Act, AuditLog, mask_sha256, read_log
from sam_pet.audit.seal import is_sealed
from sam_pet.session.state import State
from sam_pet.study import Study


@dataclass
class History:
    """The acts of a session, with the state that each led to; hashes are reckoned when it is written.

    Attributes:
        actor: who acts from now on.
    """

    actor: Actor = CALLER
    acts: list[tuple[Act, State]] = field(default_factory=lambda: [(Act(CALLER, "start"), State())])

    def add(self, action: str, state: State, **details: Any) -> None:
        """Note an act; one that changes nothing, as a look at a slice, comes with the state that there was."""
        self.acts.append((Act(self.actor, action, details), state))

    def line_of(self, state: State) -> int | None:
        """The number of the first act that led to a state, None where there is none."""
        return next((number for number, (_, known) in enumerate(self.acts) if known is state), None)

    def write(self, log: AuditLog, study: Study, start: Mapping[str, Any]) -> None:
        """Add to a log what it does not hold yet.

        Args:
            log: another session may be in it; this one then stands after that.
            study: of the session.
            start: details of the first line.
        """
        known = _known(log.path, self.acts[0][0].time)
        acts = list(self._finished(self.acts[known:], study, start))
        # The same session once more, as of a command that is repeated.
        again = not known and is_sealed(log) and log.repeats(acts)
        log.wait_with(*acts) if again else log.append(*acts)

    def _finished(self, acts: list[tuple[Act, State]], study: Study, start: Mapping[str, Any]) -> Iterator[Act]:
        found: dict[int, tuple[str, dict[str, int]]] = {}
        for act, state in acts:
            if id(state) not in found:
                mask = (state.labels(study) > 0).astype(np.uint8)
                found[id(state)] = mask_sha256(mask), {"lesions": len(state.lesions), "voxels": int(mask.sum())}
            sha256, result = found[id(state)]
            details = start if act.action == "start" else act.details
            yield replace(act, details=details, result=result, mask_sha256=sha256)


def _known(path: Path, started: str) -> int:
    """How many acts of the session that started then are in a log."""
    if not path.is_file():
        return 0
    entries = read_log(path).entries
    starts = [number for number, entry in enumerate(entries) if entry.get("action") == "start"]
    if not starts or entries[starts[-1]].get("time") != started:
        return 0
    return sum(entry.get("action") != "seal" for entry in entries[starts[-1] :])
