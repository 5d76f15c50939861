from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.cli.app import main
from sam_pet.geometry import Grid
from tests.readers.masks import block, mask

SIZE = (12, 10, 4)
GRID = Grid(SIZE, (2.0, 5.0, 10.0), (7.0, 8.0, 9.0))


@pytest.fixture
def run(capsys):
    """Run the command line; returns (exit code, stdout, stderr)."""

    def call(*arguments):
        with pytest.raises(SystemExit) as stopped:
            main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return stopped.value.code or 0, captured.out, captured.err

    return call


def write(path: Path, array, grid=GRID) -> Path:
    sitk.WriteImage(grid.image(array), path)
    return path


@pytest.fixture
def files(tmp_path):
    """--prediction and --truth: a line of four voxels found by half."""
    prediction = write(tmp_path / "prediction.nii.gz", mask(*block([2, 3], [4]), size=SIZE))
    truth = write(tmp_path / "truth.mha", mask(*block([2, 3, 4, 5], [4]), size=SIZE))
    return ["--prediction", prediction, "--truth", truth]


def only_line(err: str) -> str:
    assert err.count("\n") == 1
    return err


class TestSimulate:
    def test_json_holds_the_label_and_the_points(self, run, files):
        code, out, _ = run("simulate", *files, "--strategy", "centerline", "--json")
        assert code == 0
        found = json.loads(out)
        assert found["label"] == "tumor"
        assert found["points"] == [[4, 4, 1], [5, 4, 1]]

    def test_no_error_gives_no_label_and_no_points(self, run, files):
        code, out, _ = run("simulate", *files[:1], files[3], *files[2:], "--strategy", "random", "--json")
        assert code == 0
        assert (json.loads(out)["label"], json.loads(out)["points"]) == (None, [])

    def test_out_is_a_file_of_points_as_the_challenge_has_them(self, run, files, tmp_path):
        code, _, _ = run("simulate", *files, "--strategy", "centerline", "--out", tmp_path / "points.json")
        assert code == 0
        assert json.loads((tmp_path / "points.json").read_text()) == {
            "version": {"major": 1, "minor": 0},
            "type": "Multiple points",
            "points": [{"point": [4, 4, 1], "name": "tumor"}, {"point": [5, 4, 1], "name": "tumor"}],
        }

    def test_the_table_names_the_label(self, run, files):
        code, out, _ = run("simulate", *files, "--strategy", "centerline")
        assert code == 0
        assert "tumor" in out

    def test_an_unknown_strategy_is_told_with_the_known_ones_and_nothing_is_written(self, run, files, tmp_path):
        code, out, err = run("simulate", *files, "--strategy", "lasso", "--out", tmp_path / "points.json")
        assert (code, out) == (2, "")
        assert "centerline, random, boundary" in only_line(err)
        assert not (tmp_path / "points.json").exists()

    def test_the_strokes_of_the_reference_run_come_out(self, run, data):
        folder = data / "autopet" / "reference_run"
        code, out, _ = run(
            "simulate", "--prediction", folder / "iter_0.nii.gz", "--truth", folder / "label.nii.gz",
            "--strategy", "random", "--seed", 42, "--json",
        )  # fmt: skip
        assert code == 0
        found = json.loads(out)
        assert found["points"] == json.loads((folder / "iter_1_scribbles.json").read_text())[found["label"]]


class TestScore:
    def test_json_holds_the_scores(self, run, files):
        code, out, _ = run("score", *files, "--json")
        assert code == 0
        found = json.loads(out)
        # 2 * 2 / (2 + 4); the far voxel is 4 mm off, the near one 2 mm; 95th percentile of 0, 0, 2, 4.
        assert found["dice"] == pytest.approx(2 / 3)
        assert (found["dmm"], found["fpv_ml"], found["fnv_ml"]) == (1.0, 0.0, 0.0)
        assert found["nsd_2mm"] == pytest.approx(5 / 6)
        assert found["hd95_mm"] == pytest.approx(3.7)
        assert found["suv_mean_error"] is None

    def test_undefined_scores_are_null(self, run, files, tmp_path):
        empty = write(tmp_path / "empty.mha", mask(size=SIZE))
        code, out, _ = run("score", *files[:2], "--truth", empty, "--json")
        assert code == 0
        assert [json.loads(out)[key] for key in ("dice", "dmm", "fnv_ml", "hd95_mm")] == [0.0, None, None, None]

    def test_with_the_pet_uptake_is_compared(self, run, files, tmp_path):
        pet = np.ones(SIZE[::-1], np.float32)
        pet[1, 4, 4:6] = 3.0
        code, out, _ = run("score", *files, "--pet", write(tmp_path / "pet.mha", pet), "--json")
        assert code == 0
        # SUVmean 1 against 2, TLG in proportion to 2 against 8.
        assert json.loads(out)["suv_mean_error"] == -0.5
        assert json.loads(out)["tlg_error"] == -0.75

    def test_the_table_names_undefined_scores(self, run, files):
        code, out, _ = run("score", *files)
        assert code == 0
        assert "undefined" in out


@pytest.mark.parametrize("command", [["score"], ["simulate", "--strategy", "random"]])
class TestBadInput:
    def test_a_missing_file(self, run, files, command, tmp_path):
        code, out, err = run(*command, *files[:3], tmp_path / "gone.mha", "--json")
        assert (code, out) == (2, "")
        assert "truth: no such file" in only_line(err)

    def test_another_size(self, run, files, command, tmp_path):
        other = write(tmp_path / "other.mha", mask(size=(12, 10, 5)), Grid((12, 10, 5), GRID.spacing, GRID.origin))
        code, out, err = run(*command, *files[:3], other, "--json")
        assert (code, out) == (2, "")
        assert "12 x 10 x 4 against 12 x 10 x 5 voxels" in only_line(err)

    def test_another_origin(self, run, files, command, tmp_path):
        other = write(tmp_path / "other.mha", mask(size=SIZE), Grid(SIZE, GRID.spacing, (0.0, 8.0, 9.0)))
        code, out, err = run(*command, *files[:3], other, "--json")
        assert (code, out) == (2, "")
        assert "different grids" in only_line(err)

    @pytest.mark.parametrize("value", [2, 0.5, np.nan])
    def test_a_mask_of_other_values(self, run, files, command, tmp_path, value):
        values = mask((1, 1, 1), size=SIZE).astype(np.float32)
        values[2, 2, 2] = value
        code, out, err = run(*command, *files[:3], write(tmp_path / "other.mha", values), "--json")
        assert (code, out) == (2, "")
        assert f"not a binary mask: 1 voxels hold other values than 0 and 1 (such as {value:g})" in only_line(err)
