"""What a killed `models convert` or `finetune` leaves is in nobody's way, and the next run takes it away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from sam_pet.cases import find_cases
from sam_pet.cli.app import main
from sam_pet.cohort.studies import find_studies
from sam_pet.models import load_model
from sam_pet.train.run_folder import RunFolder
from tests.train.cases import recipe, write_cases

pytestmark = pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")

# The command line, killed the moment that a function is called; what that has written so far stays.
KILLED = """
import importlib, os, signal, sys
from unittest import mock
from sam_pet.cli.app import main
with mock.patch(sys.argv[1], lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)):
    main(sys.argv[2:])
"""
WRITING_A_CHECKPOINT = "sam_pet.models.checkpoint.finish_folder"


def killed(at: str, *arguments: object) -> None:
    command = [sys.executable, "-c", KILLED, at, *map(str, arguments)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == -signal.SIGKILL


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def unfinished(folder: Path) -> list[Path]:
    return [path for path in folder.rglob(".*") if path.name.startswith(".partial-")]


def test_a_killed_conversion_is_in_nobodys_way_and_the_next_one_is_clean(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine"
    killed(WRITING_A_CHECKPOINT, "models", "convert", "nano-untrained", "--out", out)
    (left,) = unfinished(tmp_path)
    assert [path.name for path in left.rglob("*.safetensors")] == ["model.safetensors"]
    assert not out.exists()
    # It lies among cases, and among models.
    write_cases(tmp_path, 1)
    assert [case.name for case in find_cases(tmp_path)] == ["case 0"]
    assert [study.name for study in find_studies(tmp_path)] == ["case 0"]
    evaluation = ("--method", "suv4", "--reader", "click-center", "--start", "click", "--steps", 0)
    assert run("evaluate", "--cases", tmp_path, *evaluation, "--out", tmp_path / "evaluated") == 0
    assert run("models", "list") == 0
    capsys.readouterr()
    for asked in (out, tmp_path):
        assert run("models", "verify", asked) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert run("models", "convert", "nano-untrained", "--out", out) == 0
    assert unfinished(tmp_path) == []
    assert load_model(out).record.name
    assert run("models", "verify", out) == 0


def test_a_fine_tuning_killed_wherever_it_writes_goes_on_and_leaves_nothing_unfinished(tmp_path: Path) -> None:
    settings = recipe(
        write_cases(tmp_path / "cases", 1), tmp_path / "run", stages=[{"steps": 1, "batch": 1, "length": 1}]
    )
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    for at in ("sam_pet.train.run_folder.yaml.safe_dump", "torch.save", WRITING_A_CHECKPOINT):
        killed(at, "finetune", path)
        assert len(unfinished(settings.out)) == 1, at
        assert not RunFolder(settings.out).checkpoint.exists()
        assert run("models", "list") == 0
    assert run("finetune", path) == 0
    assert unfinished(tmp_path) == []
    assert load_model(settings.out / "checkpoint").record.training["steps"] == 1
    assert run("verify", settings.out, "--hashes-only") == 0
