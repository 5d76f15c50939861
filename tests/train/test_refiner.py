from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sam_pet.cases import find_cases
from sam_pet.errors import InputError
from sam_pet.models import load_model, save_model
from sam_pet.models.checkpoint import untrained
from sam_pet.models.parts import REFINER
from sam_pet.models.record import ModelRecord
from sam_pet.models.verify import verify
from sam_pet.proposers.refiner import new_network
from sam_pet.proposers.refiner_settings import RefinerSettings
from sam_pet.segmenter import Segmenter
from sam_pet.train.refiner import Course, augmented, corrected, lesson_loss, train_refiner
from sam_pet.train.refiner_examples import Lesson, LessonFolder
from tests.fakes import random_segmenter
from tests.train.cases import write_cases

SETTINGS = RefinerSettings(side=16, widths=(8, 16))
SCRIPT = Path(__file__).parents[2] / "finetune" / "train_refiner.py"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Lessons of one lesion, clicked once."""
    folder = tmp_path_factory.mktemp("lessons")
    cases = find_cases(write_cases(folder / "cases", 1))
    return LessonFolder(folder / "made", SETTINGS, clicks=1, most=1).prepare(cases, random_segmenter(), 0)


def test_a_course_of_strokes_makes_lessons_with_ever_more_drawn(files: list[Path]) -> None:
    lessons = [Lesson.load(path) for path in files]
    assert len(lessons) == 3
    drawn = [int((x.view.tumor | x.view.background).sum()) for x in lessons]
    assert drawn[0] == 1
    assert drawn[0] < drawn[1] < drawn[2]
    assert all(0.5 < x.truth.max() <= 1 and x.truth.shape == x.view.pet.shape for x in lessons)


def test_lessons_that_are_there_are_not_made_again(files: list[Path], tmp_path: Path) -> None:
    cases = find_cases(write_cases(tmp_path / "cases", 1))
    made = LessonFolder(tmp_path, SETTINGS, clicks=1, most=1)
    first = made.prepare(cases, random_segmenter(), 0)
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in files]
    times = [p.stat().st_mtime_ns for p in first]
    assert made.prepare(cases, random_segmenter(), 0) == first
    assert [p.stat().st_mtime_ns for p in first] == times
    assert set(made.prepare(cases, random_segmenter(), 1)).isdisjoint(first)


def test_augmentation_moves_everything_together(files: list[Path]) -> None:
    lesson = Lesson.load(files[0])
    for seed in range(8):
        seen = augmented(lesson, 16, np.random.default_rng(seed))
        assert seen.truth.shape == (16, 16, 16)
        inside = seen.truth > 0.5
        assert inside.any()
        assert seen.view.pet[inside].mean() > 3 * seen.view.pet[seen.truth < 0.1].mean()


def test_a_simulated_reader_draws_on_what_is_wrong(files: list[Path]) -> None:
    network = new_network(SETTINGS)
    lesson = augmented(Lesson.load(files[0]), 16, np.random.default_rng(0))
    before = lesson.view
    (after,) = corrected(network, [lesson], SETTINGS, 1, np.random.default_rng(0))
    new_tumor, new_background = after.view.tumor & ~before.tumor, after.view.background & ~before.background
    assert new_tumor.any() != new_background.any()
    assert (lesson.truth[new_tumor] > 0.5).all()
    assert (lesson.truth[new_background] <= 0.5).all()


def test_training_lowers_the_loss_and_the_same_seed_gives_the_same_weights(files: list[Path]) -> None:
    course = Course(steps=12, batch=2, strokes=1, lr=5e-3, ema=0.5)
    networks = [train_refiner([(files, 1.0)], SETTINGS, course) for _ in range(2)]
    states = [network.state_dict() for network in networks]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    lessons = [augmented(Lesson.load(path), 16, np.random.default_rng(3)) for path in files]
    with torch.no_grad():
        assert lesson_loss(networks[0], lessons, SETTINGS) < lesson_loss(new_network(SETTINGS), lessons, SETTINGS)


def test_the_script_stores_a_refiner_that_loads_and_is_verified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = tmp_path / "checkpoint"
    save_model(untrained("nano", 64), ModelRecord(name="small", trained=True), checkpoint)
    cases = write_cases(tmp_path / "cases", 1)
    arguments = ["--checkpoint", checkpoint, "--work", tmp_path / "lessons", "--cases", cases]
    monkeypatch.setattr(sys, "argv", ["train_refiner.py", *map(str, arguments), "--clicks", "1", "--steps", "1"])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    segmenter = Segmenter(load_model(checkpoint), "cpu")
    assert segmenter.refiner is not None
    assert segmenter.facts["refiner"] == verify(checkpoint)[REFINER]
    damaged = bytearray((checkpoint / REFINER).read_bytes())
    damaged[-1] ^= 1
    (checkpoint / REFINER).write_bytes(damaged)
    with pytest.raises(InputError, match=REFINER):
        verify(checkpoint)
    with pytest.raises(InputError, match=REFINER):
        load_model(checkpoint)


def test_the_script_says_what_is_wrong_with_its_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--checkpoint", tmp_path, "--work", tmp_path / "lessons", "--cases", tmp_path]
    monkeypatch.setattr(sys, "argv", ["train_refiner.py", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(SCRIPT), run_name="__main__")
    assert ended.value.code == 2
    assert "is no checkpoint" in capsys.readouterr().err
