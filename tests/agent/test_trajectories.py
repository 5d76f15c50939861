"""Trajectories: the actions written are the actions made, rewards are what the card says, and a seed gives the same."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sam_pet.agent.desk import Desk
from sam_pet.agent.looks import MOST_BYTES
from sam_pet.agent.tools import call
from sam_pet.agent.trajectories import PROGRESS, TURN_COST, EpisodeSettings
from sam_pet.agent.write_trajectories import CARD, EPISODES, write_trajectories
from sam_pet.cases import find_cases
from sam_pet.errors import InputError
from tests.agent.studies import segmenter
from tests.benchmark.cases import write_case


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trajectories")
    write_case(folder / "cases" / "Doe^John")
    cases = find_cases(folder / "cases")
    result = write_trajectories(cases, segmenter(), EpisodeSettings(1, 3, 5), folder / "out")
    return folder, cases, result


def episodes(folder):
    return [json.loads(line) for line in (folder / "out" / EPISODES).read_text().splitlines()]


def test_an_episode_begins_with_a_box_and_ends_with_a_stop(made):
    folder, _, result = made
    (episode,) = episodes(folder)
    tools = [step["tool"] for step in episode["steps"]]
    assert tools[0] == "add_box"
    assert tools[-1] == "stop"
    assert set(tools[1:-1]) <= {"add_point"}
    assert result["episodes"] == 1
    assert result["turns"] == len(tools) - 1
    assert episode["dice"] > 0.5


def test_the_actions_lead_to_the_same_mask_again(made):
    folder, cases, _ = made
    (episode,) = episodes(folder)
    study = cases[0].study()
    truth = cases[0].mask(study.grid) > 0
    desk = Desk(segmenter().open(study))
    for step in episode["steps"][:-1]:
        call(desk, step["look"]["tool"], step["look"]["arguments"])
        assert desk.sight.last.png == (folder / "out" / step["picture"]).read_bytes()
        call(desk, step["tool"], step["arguments"])
        assert desk.session.prompts[-1].voxels.tolist() == step["voxels"]
        call(desk, step["look"]["tool"], step["look"]["arguments"])
        assert desk.sight.last.png == (folder / "out" / step["new_picture"]).read_bytes()
        mask = desk.session.array > 0
        assert step["iou"] == pytest.approx((mask & truth).sum() / (mask | truth).sum(), abs=1e-4)


def test_rewards_are_progress_less_the_cost_of_a_turn(made):
    folder, _, _ = made
    (episode,) = episodes(folder)
    ious = [0.0, *(step["iou"] for step in episode["steps"][:-1])]
    for step, gain in zip(episode["steps"], np.diff(ious), strict=False):
        assert step["gain"] == pytest.approx(gain, abs=2e-4)
        assert step["reward"] == pytest.approx(PROGRESS * gain - TURN_COST, abs=2e-4)
    assert episode["steps"][-1]["reward"] == pytest.approx(2 * ious[-1] - max(ious), abs=2e-4)
    assert episode["overshoot"] == pytest.approx(max(ious) - ious[-1], abs=2e-4)


def test_a_seed_gives_the_same_bytes_and_another_one_other_pictures(made, tmp_path):
    folder, cases, _ = made
    write_trajectories(cases, segmenter(), EpisodeSettings(1, 3, 5), tmp_path / "again")
    files = sorted(path.relative_to(folder / "out") for path in (folder / "out").rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file())
    assert all((folder / "out" / file).read_bytes() == (tmp_path / "again" / file).read_bytes() for file in files)
    write_trajectories(cases, segmenter(), EpisodeSettings(1, 1, 6), tmp_path / "other")
    assert (tmp_path / "other" / EPISODES).read_text() != (folder / "out" / EPISODES).read_text()


def test_the_card_says_how_it_was_made_and_what_it_does_not_know(made):
    folder, _, _ = made
    card = (folder / "out" / CARD).read_text()
    assert "1 episodes of 1 cases" in card
    assert segmenter().sha256 in card
    assert "seed 5" in card
    assert "does not know" in card
    assert all(path.stat().st_size < MOST_BYTES for path in (folder / "out" / "pictures").iterdir())


def test_a_folder_that_is_not_empty_is_left_alone(made):
    folder, cases, _ = made
    with pytest.raises(InputError, match="not empty"):
        write_trajectories(cases, segmenter(), EpisodeSettings(), folder / "out")
