"""What `sam-pet segment` does with no prompts, with cold ones, and when only a part can be written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.cli.app import main
from sam_pet.files import write_image
from sam_pet.segmenter import Segmenter
from sam_pet.session.session import Session
from tests.fakes import random_segmenter, two_lesion_study


@pytest.fixture
def pet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The study with two lesions, and random weights in place of the trained ones."""
    study = two_lesion_study()
    write_image(study.grid.image(study.pet), tmp_path / "pet.mha")
    segmenter = random_segmenter()
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda *_: segmenter)
    return tmp_path / "pet.mha"


def run(pet: Path, prompts: object, *more: object) -> tuple[int, Path]:
    (pet.parent / "p.json").write_text(json.dumps(prompts))
    out = pet.parent / "m.mha"
    arguments = ["--pet", pet, "--prompts", pet.parent / "p.json", "--out", out, "--device", "cpu", "--json", *more]
    with pytest.raises(SystemExit) as ended:
        main(["segment", *map(str, arguments)])
    return int(ended.value.code or 0), out


@pytest.mark.parametrize("prompts", [{"tumor": []}, {"type": "Multiple points", "points": []}, {"markups": []}])
def test_a_file_without_a_prompt_is_as_no_file(
    pet: Path, prompts: object, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked = []
    monkeypatch.setattr(Session, "first_answer", lambda _, tracer: asked.append(tracer))
    assert run(pet, prompts)[0] == 0
    assert asked == ["auto"]
    assert "has no prompt" in caplog.text


def test_a_click_without_uptake_is_warned_of(pet: Path, caplog: pytest.LogCaptureFixture) -> None:
    array = two_lesion_study().pet.copy()
    array[:5] = 0
    write_image(two_lesion_study().grid.image(array), pet)
    assert run(pet, {"tumor": [[20, 24, 10]]})[0] == 0
    assert "hardly any uptake" not in caplog.text
    run(pet, {"tumor": [[2, 2, 2]]})
    assert "the tumor prompt at voxel (2, 2, 2) lies where the PET has hardly any uptake (SUV 0.00)" in caplog.text


def test_the_mask_is_there_whatever_becomes_of_the_session(
    pet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "session/prompts.json")

    monkeypatch.setattr(Session, "save", full)
    code, out = run(pet, {"tumor": [[20, 24, 10]]}, "--session", pet.parent / "session")
    assert code == 2
    error = capsys.readouterr().err
    assert error.splitlines()[-1] == "sam-pet: cannot read or write session/prompts.json: No space left on device"
    assert np.any(sitk.GetArrayFromImage(sitk.ReadImage(str(out))))


def test_no_output_replaces_an_input(pet: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = pet.read_bytes()
    for more in (("--out", pet), ("--session", pet.parent / "in")):
        (pet.parent / "in").mkdir(exist_ok=True)
        (pet.parent / "in" / "prompts.json").unlink(missing_ok=True)
        (pet.parent / "in" / "prompts.json").hardlink_to(pet.parent / "pet.mha")
        assert run(pet, {"tumor": [[20, 24, 10]]}, *more)[0] == 2
        assert "it is the input" in capsys.readouterr().err
    assert pet.read_bytes() == before
