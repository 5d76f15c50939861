"""First answers made elsewhere: a mask, lesion numbers, a probability."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.cli.app import main
from sam_pet.detection.answer_file import AnswerFile
from sam_pet.detection.detector import from_probability
from sam_pet.errors import InputError
from sam_pet.files import write_image
from sam_pet.geometry import Grid
from sam_pet.session.session import Session
from tests.fakes import random_segmenter, two_lesion_study

STUDY = two_lesion_study()
TRUTH = (STUDY.pet > 4).astype(np.uint8)


def written(array: np.ndarray, path: Path, grid: Grid = STUDY.grid) -> AnswerFile:
    write_image(grid.image(array), path)
    return AnswerFile(path)


def a_probability() -> np.ndarray:
    """0.95 in the upper ball, 0.7 in the lower one, 0.2 elsewhere."""
    probability = np.where(TRUTH, 0.95, 0.2).astype(np.float32)
    probability[:20][TRUTH[:20] > 0] = 0.7
    return probability


def test_pieces_of_a_mask_become_lesions(tmp_path: Path) -> None:
    detection = written(TRUTH, tmp_path / "m.nii.gz").detect(STUDY)
    assert detection.probabilities == {}
    np.testing.assert_array_equal(detection.labels > 0, TRUTH > 0)
    assert len(np.unique(detection.labels)) == 3


def test_numbers_of_lesions_stay(tmp_path: Path) -> None:
    numbers = TRUTH.astype(np.uint16) * 9
    numbers[20:] *= 2
    detection = written(numbers, tmp_path / "m.nii.gz").detect(STUDY)
    np.testing.assert_array_equal(detection.labels, numbers)


def test_lesions_of_a_probability_come_most_probable_first(tmp_path: Path) -> None:
    detection = written(a_probability(), tmp_path / "p.mha").detect(STUDY)
    np.testing.assert_array_equal(detection.labels, np.where(a_probability() > 0.9, 1, TRUTH * 2))
    assert detection.probabilities == pytest.approx({1: 0.95, 2: 0.7})


def test_of_equally_probable_ones_the_larger_comes_first() -> None:
    probability = np.zeros((3, 9, 9))
    probability[1, 1, 1] = probability[1, 5:7, 5:7] = 0.8
    labels = from_probability(probability).labels
    assert (labels == 1).sum() == 4
    assert (labels == 2).sum() == 1


@pytest.mark.parametrize(
    ("array", "grid", "words"),
    [
        (TRUTH[:-1], Grid((64, 48, 39), STUDY.grid.spacing), "are on different grids"),
        (TRUTH * np.float32(55.5), STUDY.grid, "is no mask, lesion numbers or probability"),
        (TRUTH * np.float32(-1), STUDY.grid, "is no mask, lesion numbers or probability"),
    ],
)
def test_another_file_is_refused_in_one_line(array: np.ndarray, grid: Grid, words: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=words) as error:
        written(array, tmp_path / "x.mha", grid).detect(STUDY)
    assert "\n" not in str(error.value)


def test_nan_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no mask"):
        written(np.full(TRUTH.shape, np.nan, np.float32), tmp_path / "n.mha").detect(STUDY)
    with pytest.raises(InputError, match="no such file"):
        AnswerFile(tmp_path / "none.mha").detect(STUDY)


def test_strokes_correct_it_and_undo_and_replay_give_the_same_bytes(tmp_path: Path) -> None:
    segmenter = random_segmenter()
    session = segmenter.open(STUDY)
    assert session.first_answer(detector=written(a_probability(), tmp_path / "p.mha")) == 2
    first = session.labels
    np.testing.assert_array_equal(first > 0, TRUTH > 0)
    voxel_ml = STUDY.grid.voxel_ml
    told = {n: {"volume_ml": (first == n).sum() * voxel_ml, "probability": p} for n, p in ((1, 0.95), (2, 0.7))}
    assert {n: pytest.approx(e) for n, e in session.evidence.items()} == told
    (zs, ys, xs) = np.nonzero(first == 1)
    inside = (int(xs[0]), int(ys[0]), int(zs[0]))
    session.add_click(inside, "background")
    session.add_click((20, 27, 10))
    assert session.array[inside[::-1]] == 0
    assert session.array[10, 27, 20] == 1
    assert [entry.lesions for entry in session.entries] == [(1,), (2,)]
    corrected = session.labels
    session.save(tmp_path / "session")
    manifest = json.loads((tmp_path / "session" / "manifest.json").read_text())
    assert manifest["detector"]["name"] == "p.mha"
    assert manifest["detector"]["lesions"]["2"]["probability"] == pytest.approx(0.7)
    (tmp_path / "p.mha").unlink()
    again = Session.replay(tmp_path / "session", STUDY, segmenter)
    np.testing.assert_array_equal(again.labels, corrected)
    session.undo()
    session.undo()
    np.testing.assert_array_equal(session.labels, first)
    session.undo()
    assert not session.array.any()


def test_a_session_whose_first_answer_was_changed_is_not_replayed(tmp_path: Path) -> None:
    segmenter = random_segmenter()
    session = segmenter.open(STUDY)
    session.first_answer(detector=written(TRUTH, tmp_path / "m.mha"))
    session.save(tmp_path / "session")
    write_image(STUDY.grid.image(TRUTH.astype(np.uint16) * 3), tmp_path / "session" / "first_answer.nii.gz")
    with pytest.raises(InputError, match="was changed after it was saved"):
        Session.replay(tmp_path / "session", STUDY, segmenter)


def test_a_session_saved_over_one_with_a_detector_leaves_no_answer_of_it(tmp_path: Path) -> None:
    segmenter = random_segmenter()
    session = segmenter.open(STUDY)
    session.first_answer(detector=written(TRUTH, tmp_path / "m.mha"))
    session.save(tmp_path / "session")
    segmenter.open(STUDY).save(tmp_path / "session")
    assert not (tmp_path / "session" / "first_answer.nii.gz").exists()
    assert not Session.replay(tmp_path / "session", STUDY, segmenter).array.any()


def test_the_command_line_starts_from_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_image(STUDY.grid.image(STUDY.pet), tmp_path / "pet.nrrd")
    written(TRUTH, tmp_path / "answer.nii.gz")
    (tmp_path / "p.json").write_text('{"tumor": [[20, 27, 10]], "background": []}')
    command = ["segment", "--pet", str(tmp_path / "pet.nrrd"), "--first-answer", str(tmp_path / "answer.nii.gz")]
    command += ["--device", "cpu", "--json"]
    for more in ([], ["--prompts", str(tmp_path / "p.json")]):
        with pytest.raises(SystemExit) as ended:
            main([*command, *more, "--out", str(tmp_path / "m.nii.gz")])
        assert ended.value.code in (0, None)
        result = json.loads(capsys.readouterr().out)
        assert result["detector"]["name"] == "answer.nii.gz"
        mask = sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "m.nii.gz")))
        assert mask[10, 27, 20] == bool(more)
        assert (mask & TRUTH).sum() == TRUTH.sum()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--detector", "net", "--first-answer", "a.mha"], "give one of them"),
        (["--folds", "0"], "give --detector, or leave them out"),
        (["--detector", "no-folder"], "no-folder has no plans.json"),
    ],
)
def test_options_that_do_not_fit_end_in_one_line(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_image(STUDY.grid.image(STUDY.pet), tmp_path / "pet.nrrd")
    with pytest.raises(SystemExit) as ended:
        main(["segment", "--pet", str(tmp_path / "pet.nrrd"), "--out", str(tmp_path / "m.mha"), *options])
    assert ended.value.code == 2
    printed = capsys.readouterr().err.strip()
    assert words in printed
    assert printed.count("\n") == 0
    assert not (tmp_path / "m.mha").exists()
