"""Files of simulated cases, and the command that writes them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.cases import find_cases
from sam_pet.cli.app import main
from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.phantom import Phantom, make_phantom, write_folder, write_nnunet
from sam_pet.phantom.frame import parse_grid

GRID = "48x36x60@12x12x16"


@pytest.fixture(scope="module")
def small() -> Phantom:
    return make_phantom(5, "psma", parse_grid(GRID), lesion_free=False)


def digests(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_nnunet_layout_holds_ct_pet_and_a_binary_label(small: Phantom, tmp_path: Path) -> None:
    write_nnunet(small, "a  b", tmp_path)
    ct, pet, label = (
        sitk.ReadImage(str(tmp_path / name))
        for name in ("imagesTr/a  b_0000.nii.gz", "imagesTr/a  b_0001.nii.gz", "labelsTr/a  b.nii.gz")
    )
    assert label.GetPixelID() == sitk.sitkUInt8
    assert np.array_equal(sitk.GetArrayFromImage(label), small.lesions > 0)
    assert np.array_equal(sitk.GetArrayFromImage(pet), small.study.pet)
    assert np.array_equal(sitk.GetArrayFromImage(ct), small.study.ct)
    for image in (ct, pet, label):
        assert Grid.of(image).same_as(small.study.grid)
    dataset = json.loads((tmp_path / "dataset.json").read_text())
    assert dataset["channel_names"] == {"0": "CT", "1": "PET"}
    assert dataset["numTraining"] == 1
    assert json.loads((tmp_path / "phantoms" / "a  b.json").read_text())["simulated"] is True


def test_folder_layout_has_one_folder_a_case(small: Phantom, tmp_path: Path) -> None:
    write_folder(small, "case", tmp_path, instances=False)
    names = {p.name for p in (tmp_path / "case").iterdir()}
    assert names == {"CTres.nii.gz", "SUV.nii.gz", "SEG.nii.gz", "phantom.json"}


def test_an_existing_case_is_not_overwritten(small: Phantom, tmp_path: Path) -> None:
    write_nnunet(small, "case", tmp_path)
    before = digests(tmp_path)
    with pytest.raises(InputError, match="case case exists"):
        write_nnunet(small, "case", tmp_path)
    assert digests(tmp_path) == before


def test_the_command_writes_the_same_bytes_for_the_same_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("one", "two"):
        with pytest.raises(SystemExit) as done:
            main(["phantom", "--out", str(tmp_path / name), "--n", "2", "--seed", "4", "--grid", GRID, "--json"])
        assert done.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    report = json.loads(lines[0])
    assert report["written"] == 2
    assert [c["tracer"] for c in report["cases"]] == ["fdg", "psma"]
    assert report["lesions"] == sum(c["lesions"] for c in report["cases"])
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--grid", "9x9"], "not of the form"),
        (["--seeds", "clicks.json"], "--seeds needs --anatomy"),
        (["--anatomy", "missing.nii.gz"], "no such file"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        main(["phantom", "--out", str(tmp_path / "out"), *arguments])
    assert done.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_the_command_says_which_case_is_in_the_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["phantom", "--out", str(tmp_path), "--tracer", "fdg", "--layout", "folders", "--grid", GRID]
    with pytest.raises(SystemExit):
        main(arguments)
    with pytest.raises(SystemExit) as done:
        main([*arguments[:-1], GRID.replace("x", "x1", 1)])
    assert done.value.code == 2
    assert "phantom_fdg_00000 exists" in capsys.readouterr().err


def test_the_command_goes_on_where_it_was_killed_and_changes_nothing_when_repeated(tmp_path: Path) -> None:
    def run(out: str) -> None:
        with pytest.raises(SystemExit) as done:
            main(["phantom", "--out", str(tmp_path / out), "--n", "3", "--grid", GRID])
        assert done.value.code == 0

    run("whole")
    run("killed")
    folder = tmp_path / "killed"
    # As after a kill while the second case was written: its label comes last.
    for path in (folder / "labelsTr").glob("*_0000[12].nii.gz"):
        path.unlink()
    (folder / "imagesTr" / "phantom_fdg_00002_0000.nii.gz").unlink()
    (folder / "imagesTr" / "phantom_psma_00001_0001.nii.gz").write_bytes(b"half")
    (folder / "labelsTr" / ".partial-000000-99999999-x.nii.gz").write_bytes(b"half")
    assert [case.name for case in find_cases(tmp_path / "whole")] == sorted(
        p.name.removesuffix(".nii.gz") for p in (tmp_path / "whole/labelsTr").iterdir()
    )
    run("killed")
    (folder / "labelsTr" / ".partial-000000-99999999-x.nii.gz").unlink()
    assert digests(folder) == digests(tmp_path / "whole")
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    run("killed")
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == times
