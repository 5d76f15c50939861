"""An agent in place of a simulated reader: the same rows, and what its turns, tokens and stop were worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sam_pet.agent.desk import AgentDesk
from sam_pet.agent.policies import PREFIX, make_policy
from sam_pet.agent.policy import Episode, Policy, TokenCount, Turn, run_episode
from sam_pet.audit import PROGRAM, Actor, mask_sha256
from sam_pet.audit.log import Act
from sam_pet.benchmark.protocol import Outcome, Protocol, check, facts, row
from sam_pet.benchmark.resources import Usage, measured
from sam_pet.cases import Case
from sam_pet.errors import InputError
from sam_pet.methods.method import Mask, Method
from sam_pet.methods.ours import SamPet
from sam_pet.readers import Stroke
from sam_pet.readers.scribbles import draw_scribble
from sam_pet.scores import overshoot, score

# Who stops although the challenge's next stroke would have gained this much Dice has stopped too early.
WORTH = 0.02


def is_agent(reader: str) -> bool:
    return reader.startswith(PREFIX)


def workable(method: Method, protocol: Protocol) -> SamPet:
    """The method, if an agent can work with it under this protocol.

    Raises:
        InputError: it is none of this project's, or the protocol starts from a click.
    """
    if not isinstance(method, SamPet):
        raise InputError(f"{protocol.reader} works in sessions of sam-pet; {method.name} has none")
    if protocol.start != "nothing":
        raise InputError(f"{protocol.reader} starts from the first answer: leave out --start {protocol.start}")
    return method


def run_agent(case: Case, method: Method, protocol: Protocol) -> Outcome:
    """Let an agent work on a case after the method's first answer; the truth goes to the scores alone.

    A step is a change that the agent made. When it stops the mask stands, and so do its scores.

    Raises:
        InputError: see `workable` and `make_policy`.
    """
    ours = workable(method, protocol)
    study = case.study()
    with measured() as opening:
        desk = AgentDesk(ours.segmenter.open(study))
        desk.first_answer("auto")
    return run_policy(case, desk, make_policy(protocol.reader), protocol.steps, opening)


def run_policy(case: Case, desk: AgentDesk, policy: Policy, steps: int, opening: Usage) -> Outcome:
    """As `run_agent`, with a policy, at a desk whose session has the first answer and took as much as `opening`."""
    study = desk.study
    truth = case.mask(study.grid)
    rows: list[dict[str, Any]] = []
    strokes: list[Stroke] = []
    acts: list[Act] = []

    def keep(usage: Usage, action: str | None) -> None:
        mask = desk.session.array
        check(mask, study)
        sha256 = mask_sha256(mask)
        drawn = [Stroke.of(prompt) for prompt in desk.session.prompts]
        label = drawn[-1].label if len(drawn) > len(strokes) else None
        strokes[:] = drawn
        scores = score(mask, truth, study.grid.spacing, study.pet)
        actor = PROGRAM if action is None else acting(policy)
        told = {"step": len(rows)}
        acts.append(Act(actor, action or "first answer", told, {"dice": scores.dice, "dmm": scores.dmm}, sha256))
        rows.append({**row(len(rows), label, drawn, usage, scores, sha256), "action": action})

    def seen(turn: Turn) -> None:
        keep(Usage(turn.seconds), turn.call.tool)

    keep(opening, None)
    with measured() as working:
        episode = run_episode(desk, policy, steps, seen)
    acts.append(Act(acting(policy), "stop", {"reason": episode.reason}, mask_sha256=rows[-1]["mask_sha256"]))
    agent = _summary(episode, policy.tokens, rows, desk, truth)
    last = rows[-1]
    while len(rows) <= steps:
        rows.append({**last, "step": len(rows), "label": None, "action": None, "seconds": 0.0})
    for later in rows[1:]:
        later |= {"peak_mb": working.peak_mb, "gpu_peak_mb": working.gpu_peak_mb}
    return Outcome(facts(case, study, truth), rows, strokes, desk.session.array, study.grid, acts, agent)


def acting(policy: Policy) -> Actor:
    """The policy as the log names it."""
    name, _, model = policy.name.removeprefix(PREFIX).partition(":")
    return Actor("agent", f"{PREFIX}{name}", model=model or None)


def _summary(
    episode: Episode, tokens: TokenCount, rows: Sequence[dict[str, Any]], desk: AgentDesk, truth: Mask
) -> dict[str, Any]:
    dice = [row["dice"] for row in rows]
    turns = len(episode.turns)
    return {
        "turns": turns,
        "calls": episode.calls,
        "faults": episode.faults,
        "stopped": episode.stopped,
        "reason": episode.reason,
        "tokens_read": tokens.read,
        "tokens_written": tokens.written,
        "dice": dice,
        "parsimony": (dice[-1] - dice[0]) / turns if turns else None,
        "overshoot": overshoot(dice),
        "wrong_stop": _stopped_early(desk, truth, dice[-1]) if episode.stopped else None,
    }


def _stopped_early(desk: AgentDesk, truth: Mask, dice: float) -> bool:
    """Whether the challenge's next stroke would have been worth its turn; it is taken back."""
    session, study = desk.session, desk.study
    stroke = draw_scribble(session.array, truth, "centerline")
    if stroke is None:
        return False
    session.add(stroke.prompt)
    better = score(session.array, truth, study.grid.spacing).dice
    session.undo()
    return better - dice >= WORTH
