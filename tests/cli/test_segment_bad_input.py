"""`sam-pet segment` on input that is at fault: one line says so, exit code 2, nothing on stdout, nothing written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.cli.app import main
from sam_pet.geometry import Grid
from tests.images import GRID, ct_array, pet_array, write

POINTS = {"type": "Multiple points", "points": [{"point": [6, 5, 3], "name": "tumor"}]}


@pytest.fixture
def files(tmp_path):
    """Input without fault; a test puts one file of its own in."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "p.json").write_text(json.dumps(POINTS))
    return {
        "ct": write(tmp_path / "in" / "ct.mha", ct_array()),
        "pet": write(tmp_path / "in" / "pet.mha", pet_array()),
        "prompts": tmp_path / "in" / "p.json",
        "out": tmp_path / "out" / "m.mha",
        "session": tmp_path / "session",
    }


@pytest.fixture
def refused(files, tmp_path, capsys):
    """Run `segment` and return the one line of its refusal, less the program's name."""

    def call(*more: str, **changed: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        options = {**files, **changed}
        with pytest.raises(SystemExit) as stopped:
            main(
                ["segment", *(str(a) for name, value in options.items() for a in (f"--{name}", value)), "--json", *more]
            )
        printed = capsys.readouterr()
        assert stopped.value.code == 2
        assert printed.out == ""
        assert re.fullmatch(r"sam-pet: [^\n]+\n", printed.err)
        assert sorted(tmp_path.rglob("*")) == before
        return printed.err.removeprefix("sam-pet: ").rstrip("\n")

    return call


def in_folder(files, name: str) -> Path:
    return files["pet"].parent / name


class TestImages:
    @pytest.mark.parametrize("option", ["ct", "pet"])
    def test_a_file_that_is_missing(self, refused, files, option):
        gone = in_folder(files, "gone.nii.gz")
        assert refused(**{option: gone}) == f"{option.upper()}: no such file: {gone}"

    @pytest.mark.parametrize("option", ["ct", "pet"])
    def test_a_git_lfs_pointer(self, refused, files, option):
        pointer = in_folder(files, "pointer.nii.gz")
        pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
        line = refused(**{option: pointer})
        assert line.startswith(f"{option.upper()}: {pointer} is a Git-LFS pointer")
        assert "git lfs pull" in line

    @pytest.mark.parametrize("option", ["ct", "pet"])
    @pytest.mark.parametrize("size", [[12, 10], [12, 10, 6, 2]], ids=["2-D", "4-D"])
    def test_an_image_that_is_not_3_d(self, refused, files, option, size):
        flat = in_folder(files, "flat.mha")
        sitk.WriteImage(sitk.Image(size, sitk.sitkFloat32), flat)
        shown = " x ".join(map(str, size))
        assert refused(**{option: flat}).startswith(f"{option.upper()}: {flat} is not one 3-D volume ({shown}")

    @pytest.mark.parametrize("option", ["ct", "pet"])
    @pytest.mark.parametrize("value", [np.nan, np.inf])
    def test_voxels_that_are_no_numbers(self, refused, files, option, value):
        array = {"ct": ct_array, "pet": pet_array}[option]().astype(np.float32)
        array[0, 0, 0] = value
        bad = write(in_folder(files, "bad.mha"), array)
        line = refused(**{option: bad})
        assert line.startswith(f"{option.upper()}: {bad} has NaN or infinite voxels, 1 of them; export it again")

    def test_ct_that_is_not_in_hu(self, refused, files):
        raw = write(in_folder(files, "raw.mha"), ct_array() + 1024)
        line = refused(ct=raw)
        assert line.startswith(f"CT: {raw} is not in HU (values 24 to 1064")
        assert "rescale slope and intercept" in line

    def test_pet_in_becquerel_per_millilitre(self, refused, files):
        raw = write(in_folder(files, "raw.mha"), pet_array() * 3000)
        line = refused(pet=raw)
        assert line.startswith(f"PET: {raw} looks like Bq/mL and not SUV (maximum 24000)")
        assert "SUV = Bq/mL x body weight in g / injected dose in Bq" in line

    def test_ct_and_pet_that_do_not_overlap(self, refused, files):
        away = Grid(GRID.size, GRID.spacing, (500.0, 0.0, 0.0))
        ct = write(in_folder(files, "away.mha"), ct_array(away), away)
        assert refused(ct=ct).startswith(f"CT and PET do not overlap in space: {ct} and {files['pet']}; check")

    def test_an_image_that_is_cut_short(self, refused, files):
        part = write(in_folder(files, "part.nii.gz"), pet_array())
        part.write_bytes(part.read_bytes()[:-20])
        assert refused(pet=part).startswith(f"PET: {part} is cut short")


class TestPrompts:
    def test_a_file_that_is_missing(self, refused, files):
        gone = in_folder(files, "gone.json")
        assert refused(prompts=gone) == f"prompts: no such file: {gone}"

    @pytest.mark.parametrize("content", ["", "{", '{"points": [}', "\x00"])
    def test_malformed_json(self, refused, files, content):
        files["prompts"].write_text(content)
        line = refused()
        assert line.startswith(f"prompts: {files['prompts']} is not JSON (")
        assert line.endswith("; write it again")

    @pytest.mark.parametrize("content", [[], {}, {"clicks": [[6, 5, 3]]}, {"type": "Multiple points"}])
    def test_an_unknown_form(self, refused, files, content):
        files["prompts"].write_text(json.dumps(content))
        line = refused()
        assert line.startswith('prompts: unknown form; known are {"type": "Multiple points"')
        assert line.endswith(f"({files['prompts']})")

    @pytest.mark.parametrize(
        ("point", "name", "message"),
        [
            ([6, 5, 3], "lesion", "prompts: point 1: unknown label 'lesion'; use 'tumor' or 'background'"),
            (
                [6, 5, 6],
                "tumor",
                "prompts: point 1: click: voxel (6, 5, 6) lies outside the PET grid of 12 x 10 x 6 voxels",
            ),
            ([-1, 5, 3], "background", "prompts: point 1: click: voxel (-1, 5, 3) lies outside the PET grid"),
            ([6.4, 5, 3], "tumor", "prompts: point 1: (6.4, 5, 3) is not a voxel; give whole numbers x, y, z"),
            ([6, 5], "tumor", "prompts: point 1: voxels must be three numbers each, x, y and z"),
        ],
        ids=["unknown name", "beyond the grid", "below the grid", "between voxels", "two numbers"],
    )
    def test_a_point_at_fault(self, refused, files, point, name, message):
        content = {**POINTS, "points": [*POINTS["points"], {"point": point, "name": name}]}
        files["prompts"].write_text(json.dumps(content))
        line = refused()
        assert line.startswith(message)
        assert line.endswith(f"({files['prompts']})")


@pytest.mark.parametrize("name", ["m", "m.json", "m.png"])
def test_an_out_name_that_is_no_images(refused, tmp_path, name):
    out = tmp_path / "out" / name
    assert refused(out=out).startswith(f"cannot write {out}: the name must end in one of .nii.gz, .nii, .mha, .nrrd")


def test_a_model_that_is_not_known(refused):
    assert "no-such-model" in refused(model="no-such-model")


def test_duplicates_and_floats_near_integers_are_no_fault(files, capsys):
    point = {"point": [6.001, 4.999, 3.0], "name": "tumor"}
    files["prompts"].write_text(json.dumps({**POINTS, "points": [point, point, *POINTS["points"]]}))
    with pytest.raises(SystemExit) as stopped:
        main(
            [
                "segment",
                *(str(a) for name, value in files.items() for a in (f"--{name}", value)),
                "--device",
                "cpu",
                "--json",
            ]
        )
    assert not stopped.value.code
    assert json.loads(capsys.readouterr().out)["lesions"] == 1
    assert sitk.ReadImage(files["out"])[6, 5, 3] == 1
    drawn = json.loads((files["session"] / "prompts.json").read_text())["prompts"]
    assert [(p["kind"], p["voxels"]) for p in drawn] == [("click", [[6, 5, 3]])]
