"""Commands on a disk that is full, or in a folder that cannot be written: one line, nothing by half, and what was done
is kept for the next run."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sam_pet.benchmark import run as runs
from sam_pet.benchmark.folder import RESULTS, ResultsFolder
from sam_pet.benchmark.protocol import Protocol
from sam_pet.cases import find_cases
from sam_pet.cli.app import main
from sam_pet.files import write_image
from sam_pet.growing import append_lines
from tests.benchmark.cases import write_case
from tests.images import GRID

PROTOCOL = Protocol("click-center", 1, "click", 42)
pytestmark = pytest.mark.skipif(os.name != "posix", reason="file sizes are limited by POSIX")

# The command line, in a process none of whose files may grow beyond a size, as on a disk with so much room.
LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))
from sam_pet.cli.app import main
main(sys.argv[2:])
"""


def limited(size: int, *arguments: object) -> tuple[int, str]:
    command = [sys.executable, "-c", LIMITED, str(size), *map(str, arguments)]
    # The limit would be that of a measurement of coverage, too.
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    return done.returncode, done.stderr


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def one_line(error: str) -> str:
    (line,) = error.splitlines()
    assert line.startswith("sam-pet: cannot ")
    return line


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.startswith(".")]


def evaluation(tmp_path: Path, *methods: str) -> list[object]:
    named = [word for name in methods for word in ("--method", name)]
    reader = ["--reader", "click-center", "--start", "click", "--steps", 1, "--json"]
    return ["evaluate", "--cases", tmp_path / "cases", *named, *reader, "--out", tmp_path / "out"]


def results(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "out" / RESULTS).read_text().splitlines()]


def test_a_report_that_does_not_fit_costs_no_result(tmp_path: Path) -> None:
    write_case(tmp_path / "cases" / "A")
    command = evaluation(tmp_path, "suv4", "threshold41")
    code, error = limited(60_000, *command)
    assert code == 2
    assert "report." in one_line(error)
    assert unfinished(tmp_path / "out") == []
    before = (tmp_path / "out" / RESULTS).read_bytes()
    assert len(results(tmp_path)) == 2
    assert run(*command) == 0
    assert (tmp_path / "out" / RESULTS).read_bytes() == before
    assert (tmp_path / "out" / "report.html").is_file()
    assert run("verify", tmp_path / "out", "--hashes-only") == 0


def test_a_mask_that_cannot_be_written_is_no_failure_of_the_method(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "AB":
        write_case(tmp_path / "cases" / name)
    # Where the mask would lie there is a folder with something in it.
    place = ResultsFolder(tmp_path / "out").mask_path("B", "suv4")
    command = evaluation(tmp_path, "suv4")
    cases = find_cases(tmp_path / "cases")
    ResultsFolder(tmp_path / "out").open(PROTOCOL, cases, {"suv4": {}})
    (place / "in the way").mkdir(parents=True)
    assert run(*command) == 2
    assert "B.nii.gz" in one_line(capsys.readouterr().err)
    assert [(r["case"], "error" in r) for r in results(tmp_path)] == [("A", False)]
    (place / "in the way").rmdir()
    place.rmdir()
    assert run(*command) == 0
    assert [(r["case"], "error" in r) for r in results(tmp_path)] == [("A", False), ("B", False)]


def test_a_start_without_room_for_its_manifest_is_gone_on_from(tmp_path: Path) -> None:
    cases = [find_cases(write_case(tmp_path / "cases" / "A").parent)[0]]
    folder = ResultsFolder(tmp_path / "out")
    folder.open(PROTOCOL, cases, {"suv4": {}})
    (folder.path / "manifest.json").unlink()
    (folder.path / ".partial-000000-1-x.json").write_text("{")
    assert len(runs.evaluate(cases, ["suv4"], PROTOCOL, tmp_path / "out")) == 1


def test_what_the_log_does_not_tell_of_is_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = find_cases(write_case(tmp_path / "cases" / "A").parent)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ResultsFolder, "told", full)
    with pytest.raises(OSError, match="No space"):
        runs.evaluate(cases, ["suv4"], PROTOCOL, tmp_path / "out")
    assert ResultsFolder(tmp_path / "out").results() == []


def test_lines_that_do_not_fit_leave_no_part_and_name_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines.txt"
    append_lines(path, b"one\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"lines\.txt"):
        append_lines(path, b"two\n")
    assert path.read_bytes() == b"one\n"
    with pytest.raises(OSError, match=r"new\.txt"):
        append_lines(tmp_path / "new.txt", b"two\n")
    assert [p.name for p in tmp_path.iterdir()] == ["lines.txt"]


def test_a_stroke_that_does_not_fit_is_told_and_the_old_file_stays(tmp_path: Path) -> None:
    truth = np.zeros(GRID.shape, np.uint8)
    truth[4, 2:18, 5] = 1
    write_image(GRID.image(truth), tmp_path / "truth.mha")
    write_image(GRID.image(np.zeros_like(truth)), tmp_path / "mask.mha")
    (tmp_path / "stroke.json").write_text("old")
    masks = ["--prediction", tmp_path / "mask.mha", "--truth", tmp_path / "truth.mha"]
    code, error = limited(50, "simulate", *masks, "--strategy", "centerline", "--out", tmp_path / "stroke.json")
    assert code == 2
    assert "stroke.json" in one_line(error)
    assert (tmp_path / "stroke.json").read_text() == "old"
    assert unfinished(tmp_path) == []


@pytest.mark.parametrize("layout", ["nnunet", "folders"])
def test_a_phantom_that_does_not_fit_leaves_no_half_case(layout: str, tmp_path: Path) -> None:
    command = ["phantom", "--out", tmp_path / "p", "--grid", "40x30x55@14x14x17", "--layout", layout]
    assert run(*command) == 0
    whole = {path: path.read_bytes() for path in (tmp_path / "p").rglob("*") if path.is_file()}
    largest = max(map(len, whole.values()))
    code, error = limited(largest - 1, *command, "--n", 2)
    assert code == 2
    assert "_00001" in one_line(error)
    assert {path: path.read_bytes() for path in (tmp_path / "p").rglob("*") if path.is_file()} == whole
    assert [case.name for case in find_cases(tmp_path / "p")] == ["phantom_fdg_00000"]
    assert run(*command, "--n", 2) == 0
    assert len(find_cases(tmp_path / "p")) == 2


@pytest.mark.parametrize("layout", ["nnunet", "folders"])
def test_a_phantom_whose_second_image_does_not_fit_loses_its_first(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written: list[Path] = []

    def write(image: Any, path: Path) -> None:
        if written:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        write_image(image, path)
        written.append(path)

    monkeypatch.setattr("sam_pet.phantom.write.write_image", write)
    out = tmp_path / "p"
    assert run("phantom", "--out", out, "--grid", "40x30x55@14x14x17", "--layout", layout) == 2
    assert "No space left" in one_line(capsys.readouterr().err.strip())
    assert len(written) == 1
    assert not written[0].exists()
    assert [path for path in out.rglob("*") if path.is_file() and path.name != "dataset.json"] == []


def test_a_list_of_cases_that_was_not_written_any_more_is_written_by_the_next_run(tmp_path: Path) -> None:
    command = ["phantom", "--out", tmp_path, "--grid", "40x30x55@14x14x17"]
    assert run(*command) == 0
    before = (tmp_path / "dataset.json").read_bytes()
    (tmp_path / "dataset.json").unlink()
    assert run(*command) == 0
    assert (tmp_path / "dataset.json").read_bytes() == before
