from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sam_pet.cases import find_cases
from sam_pet.proposers.refiner import new_network
from sam_pet.proposers.refiner_settings import RefinerSettings
from sam_pet.train.network import TrainSettings
from sam_pet.train.refiner import augmented, corrected, example_loss, train_refiner
from sam_pet.train.refiner_examples import RefinerExample, RefinerExamples
from sam_pet.train.store import ExampleStore
from tests.fakes import random_segmenter
from tests.train.cases import write_case, write_cases

SETTINGS = RefinerSettings(side=16, widths=(8, 16))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Lessons of one lesion, clicked once."""
    folder = tmp_path_factory.mktemp("lessons")
    (case,) = find_cases(write_cases(folder / "cases", 1))
    return RefinerExamples(ExampleStore(folder / "made"), SETTINGS, clicks=1, most=1).of(case, random_segmenter(), 0)


def test_a_course_of_strokes_makes_lessons_with_ever_more_drawn(files: list[Path]) -> None:
    examples = [RefinerExample.load(path) for path in files]
    assert len(examples) == 3
    drawn = [int((x.view.tumor | x.view.background).sum()) for x in examples]
    assert drawn[0] == 1
    assert drawn[0] < drawn[1] < drawn[2]
    assert all(0.5 < x.truth.max() <= 1 and x.truth.shape == x.view.pet.shape for x in examples)


def test_lessons_that_are_there_are_not_made_again(files: list[Path], tmp_path: Path) -> None:
    (case,) = find_cases(write_cases(tmp_path / "other name", 1))
    made = RefinerExamples(ExampleStore(tmp_path / "made"), SETTINGS, clicks=1, most=1)
    first = made.of(case, random_segmenter(), 0)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in files]
    times = [p.stat().st_mtime_ns for p in first]
    assert made.of(case, random_segmenter(), 0) == first
    assert [p.stat().st_mtime_ns for p in first] == times
    assert set(made.of(case, random_segmenter(), 1)).isdisjoint(first)


def test_another_file_of_the_same_name_makes_other_lessons(tmp_path: Path) -> None:
    made = RefinerExamples(ExampleStore(tmp_path / "made"), SETTINGS, clicks=1, most=1)
    (case,) = find_cases(write_cases(tmp_path / "cases", 1))
    first = made.of(case, random_segmenter(), 0)
    write_case(tmp_path / "cases" / "case 0", uptake=1.5)
    assert set(made.of(case, random_segmenter(), 0)).isdisjoint(first)


def test_augmentation_moves_everything_together(files: list[Path]) -> None:
    example = RefinerExample.load(files[0])
    for seed in range(8):
        seen = augmented(example, 16, np.random.default_rng(seed))
        assert seen.truth.shape == (16, 16, 16)
        inside = seen.truth > 0.5
        assert inside.any()
        assert seen.view.pet[inside].mean() > 3 * seen.view.pet[seen.truth < 0.1].mean()


def test_a_simulated_reader_draws_on_what_is_wrong(files: list[Path]) -> None:
    network = new_network(SETTINGS)
    example = augmented(RefinerExample.load(files[0]), 16, np.random.default_rng(0))
    before = example.view
    (after,) = corrected(network, [example], SETTINGS, 1, np.random.default_rng(0))
    new_tumor, new_background = after.view.tumor & ~before.tumor, after.view.background & ~before.background
    assert new_tumor.any() != new_background.any()
    assert (example.truth[new_tumor] > 0.5).all()
    assert (example.truth[new_background] <= 0.5).all()


def test_training_lowers_the_loss_and_the_same_seed_gives_the_same_weights(files: list[Path]) -> None:
    settings = TrainSettings(steps=12, batch=2, rate=5e-3, decay=1e-3, warmup=0, average=0.5)
    networks = [train_refiner([(files, 1.0)], SETTINGS, settings) for _ in range(2)]
    states = [network.state_dict() for network in networks]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    examples = [augmented(RefinerExample.load(path), 16, np.random.default_rng(3)) for path in files]
    with torch.no_grad():
        assert example_loss(networks[0], examples, SETTINGS) < example_loss(new_network(SETTINGS), examples, SETTINGS)
