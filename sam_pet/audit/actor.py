"""Who or what acts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Kind = Literal["person", "simulated reader", "agent", "file", "program", "caller"]


@dataclass(frozen=True)
class Actor:
    """Who or what acts on a run.

    Example:
        >>> Actor("agent", "agent:llm", model="some-model-7b").record
        {'kind': 'agent', 'name': 'agent:llm', 'model': 'some-model-7b'}

    Attributes:
        kind: `caller` is whoever calls the Python interface, who may be a person or a program; `file` stands for the
            unknown author of a file of prompts.
        name: of the reader, agent or command; never a patient's.
        model: an agent's.
        sha256: of the file.
    """

    kind: Kind
    name: str | None = None
    model: str | None = None
    sha256: str | None = None

    @property
    def record(self) -> dict[str, str]:
        """As it stands in the log."""
        return {key: value for key, value in asdict(self).items() if value is not None}


PERSON, PROGRAM, CALLER = Actor("person"), Actor("program", "sam-pet"), Actor("caller")
