from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sam_pet.cli.app import main
from sam_pet.cohort.studies import find_studies
from sam_pet.errors import InputError
from sam_pet.files import write_image
from tests.fakes import two_lesion_study


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, list[dict[str, object]]]:
    with pytest.raises(SystemExit) as ended:
        main([str(a) for a in arguments])
    return ended.value.code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_sound_studies_are_done_once_as_by_segment_and_bad_ones_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = two_lesion_study()
    pet, out = tmp_path / "pet.nii.gz", tmp_path / "out"
    write_image(study.grid.image(study.pet), pet)
    (tmp_path / "bad.nii.gz").write_bytes(pet.read_bytes()[:200])
    z, y, x = (int(n) for n in np.unravel_index(int(study.pet.argmax()), study.pet.shape))
    points = [{"point": [x, y, z], "name": "tumor"}]
    prompts = tmp_path / "p.json"
    prompts.write_text(json.dumps({"version": {"major": 1, "minor": 0}, "type": "Multiple points", "points": points}))
    table = tmp_path / "studies.csv"
    table.write_text("name,pet,prompts\nA,pet.nii.gz,p.json\nB,bad.nii.gz,\nA,pet.nii.gz,p.json\n../C,pet.nii.gz,\n")
    command = ("batch", "--studies", table, "--out", out, "--model", "nano-untrained", "--device", "cpu", "--json")
    code, lines = run(capsys, *command)
    assert code == 1
    assert sorted(line["name"] for line in lines if "error" in line) == ["../C", "A", "B"]
    assert not (tmp_path / "C").exists()

    alone = tmp_path / "alone.nii.gz"
    run(capsys, "segment", "--pet", pet, "--prompts", prompts, "--out", alone, "--model", "nano-untrained", "--json")
    mask = out / "A" / "mask.nii.gz"
    assert mask.read_bytes() == alone.read_bytes()
    measured = pd.read_csv(out / "measurements.csv")
    assert set(measured["study"]) == {"A"}

    written = mask.stat().st_mtime_ns
    _, again = run(capsys, *command)
    assert [line["name"] for line in again if line.get("resumed")] == ["A"]
    assert mask.stat().st_mtime_ns == written
    with pytest.raises(SystemExit) as ended:
        main([str(part) for part in command] + ["--model", str(tmp_path / "none")])
    assert ended.value.code == 2
    assert mask.stat().st_mtime_ns == written
    capsys.readouterr()
    # Other prompts are another study, whatever the name.
    prompts.write_text(prompts.read_text().replace("tumor", "background"))
    _, changed = run(capsys, *command)
    assert not any(line.get("resumed") for line in changed)


@pytest.mark.parametrize("text", ["name,ct\nA,x\n", "pet,tumour\nx,y\n", "pet,ct\n,x\n", "pet\nx,y\n", "pet\n"])
def test_a_table_that_names_no_studies_is_refused(text: str, tmp_path: Path) -> None:
    table = tmp_path / "studies.csv"
    table.write_text(text)
    with pytest.raises(InputError, match="studies"):
        find_studies(table)


def test_a_folder_without_a_pet_is_a_study_that_fails_and_not_one_passed_over(tmp_path: Path) -> None:
    for name in ("A", "B"):
        (tmp_path / name).mkdir()
    (tmp_path / "A" / "SUV.mha").touch()
    assert [study.pet.name for study in find_studies(tmp_path)] == ["SUV.mha", "SUV.nii.gz"]
