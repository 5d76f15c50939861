"""A scripted policy: it makes the change that is expected to gain most Dice, while that is worth a turn.

It believes the classifier's probabilities, and that what it marks is outlined as well as outlines are on average. Of
lesions with volumes v, probabilities q and a part o of each mask that is right, it expects

    Dice = 2 * sum(q v o of the mask) / (sum(v of the mask) + sum(q v of all))

and of an empty mask the probability that there is no lesion at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import exp, prod

from sam_pet.agent.answers import CandidateRow, Changed, LesionRow
from sam_pet.agent.desk import Desk
from sam_pet.agent.policy import Call, Tokens, Told
from sam_pet.agent.shoulders import find_shoulders
from sam_pet.prompts import scribble

# The few numbers of the rule; docs/benchmark.md says on which studies they were chosen.
COST = 0.004
OVERLAP = 0.85
MOST_CANDIDATES = 60
# Where the first answer is silent, a large candidate is believed as its prompt score says, less so many logits: the
# score was learned from readers, who click on what is one.
LARGE_ML = 10.0
SCORE_OFFSET = 3.0
# A shoulder is the lesion's own if it is thicker than a blurred rim, the lesion is one, and no other peak lies in it.
SHOULDER_MM = 6.0
SURE = 0.95
SHOULDER_RIGHT = 0.75
# What adds more than so many times the volume that it was meant to add has leaked, and is taken back.
LEAK = 3.0


@dataclass(frozen=True)
class Belief:
    """A lesion, or what may be one: its volume and how probably it is one."""

    volume_ml: float
    probability: float


@dataclass(frozen=True)
class Option:
    """A change: what it is expected to gain, what it is about, so that it is not made twice, and what it should add."""

    gain: float
    about: tuple[str, int]
    call: Call
    adds: Belief | None = None


def expected_dice(
    mask: Sequence[Belief], others: Sequence[Belief], right_ml: float = 0.0, more_ml: float = 0.0
) -> float:
    """The Dice to expect of a mask beside what else may be lesions.

    Args:
        mask: what is in it.
        others: what is not.
        right_ml: true volume that the mask has beside.
        more_ml: volume that it has beside, true or not.
    """
    if not mask:
        return prod(1.0 - one.probability for one in others)
    true = sum(one.probability * one.volume_ml for one in (*mask, *others))
    hit = OVERLAP * sum(one.probability * one.volume_ml for one in mask) + right_ml
    volume = sum(one.volume_ml for one in mask) + more_ml
    return 2 * hit / (volume + true)


@dataclass
class RulePolicy:
    """Works through lesions, candidates and shoulders by expected gain; one episode."""

    name: str = "agent:rule"
    tokens: Tokens = field(default_factory=Tokens)
    _tried: set[tuple[str, int]] = field(default_factory=set)
    _scores: dict[int, float] = field(default_factory=dict)
    _added: dict[int, float] = field(default_factory=dict)
    _made: Option | None = None

    def act(self, desk: Desk, told: Told | None, turns_left: int) -> Call:
        del turns_left
        adds = None if self._made is None else self._made.adds
        if adds is not None and told is not None and isinstance(told.said, Changed):
            self._made = None
            if (told.said.added_ml or 0.0) > LEAK * adds.volume_ml:
                return Call("undo")
            for lesion in told.said.changed:
                self._added.setdefault(lesion, adds.probability)
        options = sorted(self._options(desk), key=lambda option: -option.gain)
        best = next((option for option in options if option.about not in self._tried), None)
        if best is None or best.gain < COST:
            gain = 0.0 if best is None else best.gain
            return Call("stop", {"reason": f"the best change is expected to gain {gain:.4f}, a turn costs {COST:g}"})
        self._tried.add(best.about)
        self._made = best
        return best.call

    def _options(self, desk: Desk) -> Iterator[Option]:
        mask = {row.lesion: self._belief_in(row) for row in desk.list_lesions().lesions}
        rows = desk.list_candidates(MOST_CANDIDATES).candidates
        free = [row for row in rows if row.lesion is None]
        if not mask:
            self._ask_scores(desk, free)
        others = {row.candidate: self._belief_of(row) for row in free}
        now = expected_dice([*mask.values()], [*others.values()])
        for number, one in mask.items():
            rest = [other for key, other in mask.items() if key != number]
            gain = expected_dice(rest, [*others.values(), one]) - now
            yield Option(gain, ("reject", number), Call("reject", {"lesion": number}))
        for row in free:
            rest = [other for key, other in others.items() if key != row.candidate]
            gain = expected_dice([*mask.values(), others[row.candidate]], rest) - now
            click = Call("add_point", {"voxel": list(row.voxel)})
            yield Option(gain, ("add", row.candidate), click, others[row.candidate])
        for shoulder in find_shoulders(desk.study, desk.sight.labels):
            own = not any(map(shoulder.holds, desk.peaks))
            if shoulder.depth_mm < SHOULDER_MM or not own or mask[shoulder.lesion].probability < SURE:
                continue
            right = SHOULDER_RIGHT * shoulder.volume_ml
            beside = [*others.values(), Belief(right, 1.0)]
            without = expected_dice([*mask.values()], beside)
            gain = expected_dice([*mask.values()], beside, right, shoulder.volume_ml) - without
            drawn = scribble(shoulder.stroke).voxels.tolist()
            stroke = Call("add_scribble", {"voxels": drawn})
            yield Option(gain, ("shoulder", shoulder.lesion), stroke, Belief(shoulder.volume_ml, 1.0))

    def _ask_scores(self, desk: Desk, rows: Sequence[CandidateRow]) -> None:
        new = [r for r in rows if (r.volume_ml or 0.0) >= LARGE_ML and r.candidate not in self._scores]
        said = desk.prompt_scores([row.voxel for row in new]) if new else []
        self._scores.update({row.candidate: word for row, word in zip(new, said, strict=True)})

    def _belief_in(self, row: LesionRow) -> Belief:
        known = self._added.get(row.lesion, 1.0)
        return Belief(row.volume_ml or 0.0, known if row.probability is None else row.probability)

    def _belief_of(self, row: CandidateRow) -> Belief:
        believed = row.probability or 0.0
        score = self._scores.get(row.candidate, float("nan"))
        if score == score:
            believed = max(believed, 1 / (1 + exp(SCORE_OFFSET - score)))
        return Belief(row.volume_ml or 0.0, believed)
