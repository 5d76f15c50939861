from __future__ import annotations

import csv
import json
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sam_pet.cli.app import main
from sam_pet.cohort.folder import CohortFolder
from sam_pet.cohort.studies import find_studies
from tests.cohort.inline import batch
from tests.cohort.studies import MODEL, damaged, write_studies


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[object, list[dict[str, object]]]:
    code: object = 0
    try:
        main([str(a) for a in arguments])
    except SystemExit as ended:
        code = ended.code
    return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_sound_studies_are_done_once_as_by_segment_and_bad_ones_are_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_studies(tmp_path / "in", 3)
    damaged(tmp_path / "in" / "S1" / "SUV.nii.gz")
    (tmp_path / "in" / "empty").mkdir()
    table = tmp_path / "studies.csv"
    rows = ["S0", "S1", "s0", "empty", "../C"]
    folders = ["S0", "S1", "S2", "empty", "S2"]
    table.write_text(
        "name,pet,prompts\n"
        + "".join(f"{n},in/{f}/SUV.nii.gz,in/{f}/prompts.json\n" for n, f in zip(rows, folders, strict=True))
    )
    out = tmp_path / "out"
    command = ("batch", "--studies", table, "--out", out, "--model", MODEL, "--device", "cpu", "--json")
    code, lines = run(capsys, *command)
    assert code == 1
    assert sorted(str(line["name"]) for line in lines if "error" in line) == ["../C", "S1", "empty", "s0"]
    assert not (tmp_path / "C").exists()

    alone = tmp_path / "alone.nii.gz"
    study = tmp_path / "in" / "S0"
    options = ("--pet", study / "SUV.nii.gz", "--prompts", study / "prompts.json", "--model", MODEL, "--json")
    run(capsys, "segment", "--out", alone, *options)
    mask = out / "S0" / "mask.nii.gz"
    assert mask.read_bytes() == alone.read_bytes()
    assert set(pd.read_csv(out / "measurements.csv")["study"]) == {"S0"}
    results = list(csv.DictReader((out / "results.csv").open()))
    assert [(row["study"], row["state"]) for row in results] == [
        (name, "done" if name == "S0" else "failed") for name in rows
    ]
    page = (out / "index.html").read_text()
    assert all(str(line["error"])[:40].replace("'", "&#39;") in page for line in lines if "error" in line)

    written = mask.stat().st_mtime_ns
    code, again = run(capsys, *command)
    assert code == 1
    assert [line["name"] for line in again if line.get("resumed")] == ["S0"]
    code, _ = run(capsys, *command, "--model", tmp_path / "none")
    assert code == 2
    assert mask.stat().st_mtime_ns == written


def test_a_study_is_known_by_its_content(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    write_studies(source, 1)
    batch(source, out)
    mask, pet, prompts = out / "S0" / "mask.nii.gz", source / "S0" / "SUV.nii.gz", source / "S0" / "prompts.json"
    content, written = mask.read_bytes(), mask.stat().st_mtime_ns
    # A copy of the same bytes is the same study.
    os.utime(pet, (0, 0))
    assert batch(source, out)[0]["resumed"]
    assert mask.stat().st_mtime_ns == written
    damaged(mask)
    assert "resumed" not in batch(source, out)[0]
    assert mask.read_bytes() == content
    # Other prompts are another study, whatever the name.
    prompts.write_text(prompts.read_text().replace("tumor", "centre").replace("background", "tumor"))
    assert "resumed" not in batch(source, out)[0]
    # What fails leaves no mask of other inputs behind.
    damaged(pet)
    assert "error" in batch(source, out)[0]
    assert not mask.exists()


def test_an_input_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_studies(tmp_path / "in", 1)
    pet = (tmp_path / "in" / "S0" / "SUV.nii.gz").rename(tmp_path / "in" / "S0" / "mask.nii.gz")
    content = pet.read_bytes()
    table = tmp_path / "studies.csv"
    table.write_text("name,pet\nS0,in/S0/mask.nii.gz\n")
    code, lines = run(capsys, "batch", "--studies", table, "--out", tmp_path / "in", "--model", MODEL, "--json")
    assert code == 1
    assert "move it" in str(lines[0]["error"])
    assert pet.read_bytes() == content
    table = table.rename(tmp_path / "in" / "results.csv")
    code, _ = run(capsys, "batch", "--studies", table, "--out", tmp_path / "in", "--model", MODEL, "--json")
    assert code == 2


def test_parts_of_an_array_job_come_to_what_one_run_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, whole, out = tmp_path / "in", tmp_path / "whole", tmp_path / "out"
    write_studies(source, 4)
    damaged(source / "S2" / "SUV.nii.gz")
    batch(source, whole)
    options = ("--studies", source, "--model", MODEL, "--device", "cpu")
    with pytest.raises(SystemExit) as ended:
        main([str(part) for part in ("batch", *options, "--out", out, "--slurm", 2)])
    assert ended.value.code == 0
    assert "4 studies in 2 parts" in capsys.readouterr().out
    script = out / "batch.sbatch"
    array = re.search(r"--array=0-(\d+)", script.read_text())
    assert array is not None
    seen: list[str] = []
    for part in range(int(array[1]) + 1):
        command = ["bash", str(script)]
        environment = os.environ | {"SLURM_ARRAY_TASK_ID": str(part)}
        subprocess.run(command, env=environment, check=False, capture_output=True)
        assert not (out / "index.html").exists()
        seen += [path.parent.name for path in out.glob("*/manifest.json")]
    assert len(set(seen)) == 4
    written = {path: path.stat().st_mtime_ns for path in out.glob("*/mask.nii.gz")}
    # After the array, the same file is what gathers.
    assert subprocess.run(["bash", str(script)], check=False, capture_output=True).returncode == 1
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/mask.nii.gz")} == written
    assert len(written) == 3
    assert (out / "measurements.csv").read_bytes() == (whole / "measurements.csv").read_bytes()


def test_reports_are_added_to_what_is_done(tmp_path: Path) -> None:
    source, out = tmp_path / "in", tmp_path / "out"
    write_studies(source, 1)
    batch(source, out)
    mask = (out / "S0" / "mask.nii.gz").read_bytes()
    assert not (out / "S0" / "report.html").exists()
    batch(source, out, reports=True)
    assert "untrained" in (out / "S0" / "report.html").read_text()
    assert 'href="S0/report.html"' in (out / "index.html").read_text()
    assert (out / "S0" / "mask.nii.gz").read_bytes() == mask
    assert batch(source, out, reports=True)[0]["resumed"]


def test_folders_of_many_studies_are_spread_and_stay_so(tmp_path: Path) -> None:
    few, many = CohortFolder.open(tmp_path / "few", 10_000), CohortFolder.open(tmp_path / "many", 10_001)
    assert few.of("A") == tmp_path / "few" / "A"
    places = [many.of(f"study {number}") for number in range(2000)]
    counts = np.unique([place.parent.name for place in places], return_counts=True)[1]
    assert len(counts) > 1000
    assert counts.max() < 8
    assert many.of("a").parent == many.of("A").parent
    # A cohort that grows or shrinks does not move what is done.
    assert CohortFolder.open(tmp_path / "few", 10**6) == few
    assert CohortFolder.open(tmp_path / "many", 1) == many


@pytest.mark.parametrize("part", ["3/3", "-1/3", "a", "1"])
def test_a_part_that_is_none_is_refused(part: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_studies(tmp_path / "in", 1)
    code, _ = run(capsys, "batch", "--studies", tmp_path / "in", "--out", tmp_path / "out", "--shard", part)
    assert code == 2
    assert not (tmp_path / "out").exists()


def test_parts_hold_every_study_once_and_those_of_one_name_together(tmp_path: Path) -> None:
    table = tmp_path / "studies.csv"
    table.write_text("name,pet\n" + "".join(f"{name},x\n" for name in [*map(str, range(50)), "A", "a"]))
    cohort = find_studies(table)
    parts = [[study.name for study in cohort.shard(number, 7)] for number in range(7)]
    assert sorted(name for part in parts for name in part) == sorted(study.name for study in cohort)
    assert [len(cohort.shard(number, 7)) for number in range(7)] == list(map(len, parts))
    assert any({"A", "a"} <= set(part) for part in parts)
