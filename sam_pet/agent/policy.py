"""What a policy is, and one episode of it at a desk. A policy is given the desk alone: no truth, and no score of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sam_pet.agent.answers import Changed, Said
from sam_pet.agent.desk import Desk
from sam_pet.agent.tools import call
from sam_pet.errors import InputError

# Looks and lists are no turns, but must not go on for ever.
_CALLS_A_TURN = 20


@dataclass(frozen=True)
class Call:
    """A use of a tool."""

    tool: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Told:
    """What came of a call: the result, or one line that says why there is none; and the picture that it left."""

    call: Call
    said: Said | None
    error: str | None = None
    png: bytes | None = None


@dataclass
class Tokens:
    """Tokens that a language model has read and written."""

    read: int = 0
    written: int = 0


class Policy(Protocol):
    """Decides the next call; an object is made for each episode and may remember what it was told."""

    @property
    def name(self) -> str: ...

    @property
    def tokens(self) -> Tokens: ...

    def act(self, desk: Desk, told: Told | None, turns_left: int) -> Call:
        """The next call.

        Args:
            desk: what there is to see.
            told: what came of the last call; None at the beginning.
            turns_left: how many changes may follow.

        Raises:
            InputError: it cannot decide, as when its server does not answer.
        """


@dataclass(frozen=True)
class Turn:
    """A change of the mask, and the time and the calls that led to it."""

    call: Call
    changed: Changed
    seconds: float
    calls: int


@dataclass
class Episode:
    """What a policy did: its turns, how many calls and faults it made, and why it ended."""

    turns: list[Turn] = field(default_factory=list)
    calls: int = 0
    faults: int = 0
    stopped: bool = False
    reason: str = ""


def run_episode(desk: Desk, policy: Policy, most_turns: int, seen: Callable[[Turn], None] = lambda _: None) -> Episode:
    """Let a policy work until it stops, or has had all its turns or calls.

    Args:
        desk: where the session may have its first answer already.
        policy: a new one.
        most_turns: changes that it may make.
        seen: called after each change.

    Raises:
        InputError: see `Policy.act`.
    """
    episode = Episode()
    told: Told | None = None
    started, since = time.perf_counter(), 0
    first = desk.turns
    while desk.turns - first < most_turns:
        if episode.calls - since >= _CALLS_A_TURN:
            episode.reason = f"{_CALLS_A_TURN} calls without a change"
            return episode
        wanted = policy.act(desk, told, most_turns - (desk.turns - first))
        episode.calls += 1
        look = desk.sight.last
        try:
            said = call(desk, wanted.tool, wanted.arguments)
        except InputError as error:
            episode.faults += 1
            told = Told(wanted, None, str(error))
            continue
        now = desk.sight.last
        told = Told(wanted, said, png=None if now is None or now is look else now.png)
        if desk.stopped is not None:
            episode.stopped, episode.reason = True, desk.stopped
            return episode
        if isinstance(said, Changed):
            turn = Turn(wanted, said, time.perf_counter() - started, episode.calls - since)
            episode.turns.append(turn)
            seen(turn)
            started, since = time.perf_counter(), episode.calls
    episode.reason = f"all {most_turns} turns made"
    return episode
