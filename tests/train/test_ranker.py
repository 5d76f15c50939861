from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sam_pet.errors import InputError
from sam_pet.proposers.first_features import FIRST_NAMES
from sam_pet.proposers.ranker import NAMES, OutlineRanker, at_first, pick
from sam_pet.proposers.revisions import CORRECTED
from sam_pet.proposers.stroke_features import GAINS_NOTHING
from sam_pet.train.ranker import fit, unchecked
from sam_pet.train.ranker_examples import RankerExample

OUTLINES = 4


@pytest.fixture(autouse=True, scope="module")
def _few_trees() -> Iterator[None]:
    """As many as the usual ones would take minutes and tell no more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sam_pet.train.ranker._ROUNDS", 100)
        yield


def first(seed: int, prompts: int = 20) -> RankerExample:
    """The outline with the steepest edge fits best; the model's one always fits moderately."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(prompts):
        features = rng.normal(0, 1, (OUTLINES, len(FIRST_NAMES))).astype(np.float32)
        dice = np.clip(0.5 + 0.2 * features[:, FIRST_NAMES.index("slope")], 0, 1)
        features[:, FIRST_NAMES.index("level")] = [0, 1, 1, 1]
        dice[0] = 0.6
        rows.append((at_first(features), dice))
    return RankerExample.of(rows)


def stroke(seed: int, strokes: int = 20) -> RankerExample:
    """The outline that holds least of the background stroke fits best."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (strokes * OUTLINES, len(NAMES))).astype(np.float32)
    held = rng.random(len(features)).astype(np.float32)
    features[:, NAMES.index("stroke_held_now")] = held
    return RankerExample(features, 1 - held, np.repeat(np.arange(strokes), OUTLINES))


def both(seeds: range) -> list[RankerExample]:
    return [first(seed).joined(stroke(seed)) for seed in seeds]


@pytest.fixture(scope="module")
def ranker() -> OutlineRanker:
    return fit([both(range(6)), both(range(6, 9))])


def test_a_ranker_that_nobody_asks_what_it_gains_has_the_same_trees(ranker: OutlineRanker) -> None:
    quick = unchecked([both(range(6)), both(range(6, 9))])
    assert quick.content.trees == ranker.content.trees
    assert quick.content.training == {}


def test_trees_learn_which_outline_a_first_prompt_and_a_stroke_mean(ranker: OutlineRanker) -> None:
    for unseen in (first(99), stroke(99)):
        expected = ranker.expect(unseen.features).reshape(-1, OUTLINES)
        right = expected.argmax(axis=1) == unseen.dice.reshape(-1, OUTLINES).argmax(axis=1)
        assert right.mean() > 0.75
    facts = ranker.content.training
    assert (facts["prompts"], facts["strokes"]) == (180, 180)
    assert facts["dice_of_model"] == pytest.approx(0.6)
    assert 0.65 < facts["dice_at_first"] <= facts["dice_of_best_at_first"]
    assert facts["dice_standing"] + 0.1 < facts["dice_chosen"] <= facts["dice_of_best"]


def test_first_prompts_alone_are_enough() -> None:
    content = fit([[first(seed) for seed in range(3)], []]).content
    assert content.training["prompts"] == 60
    assert "strokes" not in content.training


def test_groups_count_alike_however_many_cases_they_have() -> None:
    """The model's outline has 0.6 in the large group and 0 in the small one."""
    small = [RankerExample(one.features, 0 * one.dice, one.choice) for one in map(first, range(20, 21))]
    facts = fit([[first(seed) for seed in range(4)], small]).content.training
    assert facts["dice_of_model"] == pytest.approx(0.3)


def columns(**values: object) -> np.ndarray:
    """Features of four outlines."""
    features = np.zeros((4, len(NAMES)), np.float32)
    for name, value in values.items():
        features[:, NAMES.index(f"stroke_{name}")] = value
    return features


@pytest.mark.parametrize(("margin", "picked"), [(0.0, 2), (0.15, 2), (0.25, CORRECTED)])
def test_another_outline_takes_the_place_of_the_corrected_one_by_a_margin(margin: float, picked: int) -> None:
    assert pick(np.array([0.1, 0.5, 0.7, 0.6]), columns(tumor=1, gained=1), margin) == picked


def test_a_background_stroke_takes_no_outline_that_adds() -> None:
    expected, gained = np.array([0.1, 0.5, 0.9, 0.7]), [GAINS_NOTHING, GAINS_NOTHING, 2.0, GAINS_NOTHING]
    assert pick(expected, columns(tumor=0, gained=gained), 0.0) == 3
    assert pick(expected, columns(tumor=1, gained=gained), 0.0) == 2


def test_the_margin_keeps_what_trees_would_spoil() -> None:
    """Trees that have learned nothing pick at random; the corrected outline is always the best."""
    rng = np.random.default_rng(0)
    dice = np.tile([0.5, 0.6, 0.4, 0.5], 400).astype(np.float32) + rng.normal(0, 0.3, 1600).astype(np.float32)
    features = rng.normal(0, 1, (1600, len(NAMES))).astype(np.float32)
    noise = [
        RankerExample(part, d, np.repeat(np.arange(40), OUTLINES))
        for part, d in zip(np.split(features, 10), np.split(dice, 10), strict=True)
    ]
    found = fit([noise])
    assert found.content.margin > 0
    assert found.content.training["dice_chosen"] > found.content.training["dice_standing"]


def test_the_same_examples_give_the_same_file_and_it_reads_back(ranker: OutlineRanker, tmp_path: Path) -> None:
    ranker.write(tmp_path / "one.json")
    fit([both(range(6)), both(range(6, 9))]).write(tmp_path / "other.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()
    again = OutlineRanker.read(tmp_path / "one.json")
    np.testing.assert_array_equal(again.expect(stroke(3).features), ranker.expect(stroke(3).features))


def test_an_example_reads_back(tmp_path: Path) -> None:
    example = first(1).joined(stroke(1))
    assert example.choices == 40
    example.save(tmp_path / "one.npz")
    read = RankerExample.load(tmp_path / "one.npz")
    for name in ("features", "dice", "choice"):
        np.testing.assert_array_equal(getattr(read, name), getattr(example, name))


def test_a_damaged_or_foreign_file_says_so(ranker: OutlineRanker, tmp_path: Path) -> None:
    path = tmp_path / "ranker.json"
    path.write_text('{"features": []')
    with pytest.raises(InputError, match="does not rank outlines"):
        OutlineRanker.read(path)
    ranker.write(path)
    path.write_text(path.read_text().replace('"first_slope"', '"first_steepness"'))
    with pytest.raises(InputError, match="trained on other features"):
        OutlineRanker.read(path)
