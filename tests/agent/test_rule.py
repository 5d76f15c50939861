"""The scripted policy: it expects Dice as its formula says, and it does not see the truth."""

from __future__ import annotations

import ast
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import sam_pet.agent
from sam_pet.agent.desk import Desk
from sam_pet.agent.policy import Call, Tokens, run_episode
from sam_pet.agent.rule import COST, Belief, RulePolicy, expected_dice
from sam_pet.agent.shoulders import find_shoulders
from sam_pet.benchmark.agents import run_policy
from sam_pet.benchmark.resources import Usage
from sam_pet.cases import Case
from sam_pet.geometry import Grid
from sam_pet.study import Study
from tests.agent.studies import answered_desk
from tests.fakes import two_lesion_study


def test_what_is_no_lesion_is_worth_rejecting_and_what_is_one_is_not():
    sure, doubtful = Belief(10, 1.0), Belief(10, 0.1)
    assert expected_dice([sure], [doubtful]) > expected_dice([sure, doubtful], [])
    assert expected_dice([sure, sure], []) > expected_dice([sure], [sure])


def test_an_empty_mask_is_worth_the_probability_that_there_is_nothing():
    assert expected_dice([], [Belief(1, 0.5), Belief(100, 0.5)]) == 0.25
    assert expected_dice([], []) == 1.0


def test_a_shoulder_is_what_is_thick_and_hot_beside_the_mask():
    study = two_lesion_study()
    labels = np.zeros(study.grid.shape, np.uint16)
    ball = study.pet[:, :, :32] > 7
    labels[:, :, :32][ball] = 1
    assert find_shoulders(study, labels) == []
    pet = study.pet.copy()
    pet[8:14, 20:28, 24:32] = 6.0
    (shoulder,) = find_shoulders(Study(pet, study.ct, study.grid), labels)
    assert shoulder.lesion == 1
    assert shoulder.depth_mm == 10
    assert shoulder.holds((25, 24, 10))
    assert not shoulder.holds((20, 24, 10))
    assert (pet[tuple(shoulder.stroke.T[::-1])] == 6.0).all()
    assert not labels[tuple(shoulder.stroke.T[::-1])].any()


def test_it_stops_where_a_turn_costs_more_than_it_is_expected_to_gain():
    desk, _ = answered_desk()
    episode = run_episode(desk, RulePolicy(), 5)
    assert episode.stopped
    assert f"a turn costs {COST:g}" in episode.reason
    assert len(episode.turns) < 5
    assert episode.faults == 0


def test_it_rejects_what_the_classifier_does_not_believe(monkeypatch):
    desk, _ = answered_desk()
    listed = desk.list_lesions()
    rows = [row.model_copy(update={"probability": 0.02 if row.lesion == 2 else 1.0}) for row in listed.lesions]

    def doubting():
        there = set(desk.session.state.lesions)
        return listed.model_copy(update={"lesions": [row for row in rows if row.lesion in there]})

    monkeypatch.setattr(desk, "list_lesions", doubting)
    episode = run_episode(desk, RulePolicy(), 3)
    assert episode.turns[0].call == Call("reject", {"lesion": 2})
    assert 2 not in desk.session.state.lesions


@dataclass(frozen=True)
class Held(Case):
    held: Study
    truth_mask: np.ndarray

    def study(self) -> Study:
        return self.held

    def mask(self, grid: Grid) -> np.ndarray:
        del grid
        return self.truth_mask


def run_with(truth: np.ndarray):
    desk, _ = answered_desk()
    case = Held("A", None, Path(), Path(), desk.study, truth)
    return run_policy(case, desk, RulePolicy(), 3, Usage())


def test_the_mask_and_the_actions_do_not_change_with_the_truth():
    _, truth = answered_desk()
    garbage = np.random.default_rng(0).integers(0, 2, truth.shape, np.uint8)
    one, other = run_with(truth), run_with(garbage)
    assert one.agent["dice"] != other.agent["dice"]
    assert [row["action"] for row in one.rows] == [row["action"] for row in other.rows]
    np.testing.assert_array_equal(one.mask, other.mask)


@dataclass
class Nosy:
    """Looks through all that it can reach from what it is given."""

    truth: np.ndarray
    name: str = "nosy"
    tokens: Tokens = field(default_factory=Tokens)
    seen: int = 0

    def act(self, desk, told, turns_left) -> Call:
        del told, turns_left
        waiting, known = [desk], set()
        while waiting:
            one = waiting.pop()
            if id(one) in known or isinstance(one, ModuleType | type | str | bytes | int | float):
                continue
            known.add(id(one))
            self.seen += 1
            if isinstance(one, np.ndarray):
                assert not (one.shape == self.truth.shape and np.array_equal(one > 0, self.truth > 0))
            elif isinstance(one, dict):
                waiting += [*one.values()]
            elif isinstance(one, list | tuple | set):
                waiting += [*one]
            else:
                waiting += [*getattr(one, "__dict__", {}).values()]
        return Call("stop", {"reason": "seen all"})


def test_no_truth_can_be_reached_from_what_a_policy_is_given():
    desk, truth = answered_desk()
    policy = Nosy(truth)
    case = Held("A", None, Path(), Path(), desk.study, truth)
    outcome = run_policy(case, desk, policy, 3, Usage())
    assert outcome.agent["reason"] == "seen all"
    assert policy.seen > 100


def test_a_policy_cannot_even_name_a_case_or_a_score():
    # What a policy is made of knows neither masks of cases nor what scores them.
    for module in ("desk", "sight", "looks", "tools", "policy", "policies", "rule", "shoulders", "llm"):
        path = Path(sam_pet.agent.__file__).with_name(f"{module}.py")
        imported = {node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)}
        assert not {"sam_pet.cases", "sam_pet.scores", "sam_pet.benchmark.protocol"} & imported
    assert "truth" not in inspect.signature(Desk).parameters


@pytest.mark.parametrize("turns", [1, 2])
def test_no_more_turns_are_made_than_are_given(turns):
    class Clicks:
        name, tokens = "clicks", Tokens()

        def act(self, desk, told, turns_left):
            del told
            assert turns_left == turns - desk.turns
            return Call("add_point", {"voxel": [84, 84, 120 + desk.turns], "label": "background"})

    desk, _ = answered_desk()
    episode = run_episode(desk, Clicks(), turns)
    assert len(episode.turns) == turns
    assert not episode.stopped


def test_who_only_looks_is_ended():
    class Looks:
        name, tokens = "looks", Tokens()

        def act(self, *_):
            return Call("look_mip")

    desk, _ = answered_desk()
    episode = run_episode(desk, Looks(), 3)
    assert episode.calls == 20
    assert "without a change" in episode.reason
