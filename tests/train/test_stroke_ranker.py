from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_pet.errors import InputError
from sam_pet.proposers.revision_features import GAINS_NOTHING, REVISION_NAMES
from sam_pet.proposers.revisions import CORRECTED
from sam_pet.proposers.stroke_ranker import StrokeRanker
from sam_pet.train.revision_examples import RevisionExample
from sam_pet.train.stroke_ranker import fit

OUTLINES = 4


def example(seed: int, strokes: int = 20) -> RevisionExample:
    """The outline that holds least of the background stroke fits best."""
    rng = np.random.default_rng(seed)
    features = rng.normal(0, 1, (strokes * OUTLINES, len(REVISION_NAMES))).astype(np.float32)
    held = rng.random(len(features)).astype(np.float32)
    features[:, REVISION_NAMES.index("held_now")] = held
    return RevisionExample(features, 1 - held, np.repeat(np.arange(strokes), OUTLINES))


@pytest.fixture(scope="module")
def ranker() -> StrokeRanker:
    return fit([[example(seed) for seed in range(10)]])


def test_trees_learn_which_outline_a_stroke_means(ranker: StrokeRanker) -> None:
    unseen = example(99)
    expected = ranker.expect(unseen.features).reshape(-1, OUTLINES)
    right = expected.argmax(axis=1) == unseen.dice.reshape(-1, OUTLINES).argmax(axis=1)
    assert right.mean() > 0.8
    facts = ranker.content.training
    assert facts["strokes"] == 200
    assert facts["dice_standing"] + 0.1 < facts["dice_chosen"] <= facts["dice_of_best"]


def columns(**values: object) -> np.ndarray:
    """Features of four outlines."""
    features = np.zeros((4, len(REVISION_NAMES)), np.float32)
    for name, value in values.items():
        features[:, REVISION_NAMES.index(name)] = value
    return features


@pytest.mark.parametrize(("margin", "picked"), [(0.0, 2), (0.15, 2), (0.25, CORRECTED)])
def test_another_outline_takes_the_place_of_the_corrected_one_by_a_margin(margin: float, picked: int) -> None:
    assert StrokeRanker.pick(np.array([0.1, 0.5, 0.7, 0.6]), columns(tumor=1, gained=1), margin) == picked


def test_a_background_stroke_takes_no_outline_that_adds() -> None:
    expected, gained = np.array([0.1, 0.5, 0.9, 0.7]), [GAINS_NOTHING, GAINS_NOTHING, 2.0, GAINS_NOTHING]
    assert StrokeRanker.pick(expected, columns(tumor=0, gained=gained), 0.0) == 3
    assert StrokeRanker.pick(expected, columns(tumor=1, gained=gained), 0.0) == 2


def test_the_margin_keeps_what_trees_would_spoil() -> None:
    """Trees that have learned nothing pick at random; the corrected outline is always the best."""
    rng = np.random.default_rng(0)
    dice = np.tile([0.5, 0.6, 0.4, 0.5], 400).astype(np.float32) + rng.normal(0, 0.3, 1600).astype(np.float32)
    features = rng.normal(0, 1, (1600, len(REVISION_NAMES))).astype(np.float32)
    noise = [
        RevisionExample(part, d, np.repeat(np.arange(40), OUTLINES))
        for part, d in zip(np.split(features, 10), np.split(dice, 10), strict=True)
    ]
    facts = fit([noise])
    assert facts.content.margin > 0
    assert facts.content.training["dice_chosen"] > facts.content.training["dice_standing"]


def test_the_same_examples_give_the_same_file_and_it_reads_back(ranker: StrokeRanker, tmp_path: Path) -> None:
    ranker.write(tmp_path / "one.json")
    fit([[example(seed) for seed in range(10)]]).write(tmp_path / "other.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "other.json").read_bytes()
    again = StrokeRanker.read(tmp_path / "one.json")
    np.testing.assert_array_equal(again.expect(example(3).features), ranker.expect(example(3).features))


def test_an_example_reads_back(tmp_path: Path) -> None:
    example(1).save(tmp_path / "one.npz")
    read = RevisionExample.load(tmp_path / "one.npz")
    for name in ("features", "dice", "stroke"):
        np.testing.assert_array_equal(getattr(read, name), getattr(example(1), name))


def test_a_damaged_or_foreign_file_says_so(ranker: StrokeRanker, tmp_path: Path) -> None:
    path = tmp_path / "strokes.json"
    path.write_text("{")
    with pytest.raises(InputError, match="does not rank outlines"):
        StrokeRanker.read(path)
    ranker.write(path)
    path.write_text(path.read_text().replace('"held_now"', '"kept_now"'))
    with pytest.raises(InputError, match="trained on other features"):
        StrokeRanker.read(path)
