from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from sam_pet.errors import InputError
from sam_pet.models import load_model
from sam_pet.models.hashes import file_sha256
from sam_pet.training.loop import cases_of, finetune
from sam_pet.training.recipe import Data, Recipe
from sam_pet.training.run_folder import RunFolder
from tests.training.cases import recipe, write_cases


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cases(tmp_path_factory.mktemp("cases"))


@pytest.fixture(scope="module")
def unbroken(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    finetune(recipe(cases, out))
    return out


def started(settings: Recipe, path: Path) -> subprocess.Popen[bytes]:
    """A run of its own process, as a user starts it."""
    path.write_text(yaml.safe_dump(settings.model_dump(mode="json")))
    return subprocess.Popen(
        [sys.executable, "-c", f"from sam_pet.cli.app import main; main({['finetune', str(path)]!r})"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_a_run_leaves_a_loadable_checkpoint_and_a_folder_that_explains_it(unbroken: Path) -> None:
    loaded = load_model(unbroken / "checkpoint")
    assert loaded.record.trained
    assert loaded.record.base == "nano-untrained"
    assert loaded.record.training["steps"] == 4
    assert loaded.image_size == 64
    assert {"recipe.yaml", "environment.json", "data.json", "metrics.jsonl"} <= {p.name for p in unbroken.iterdir()}
    metrics = [json.loads(line) for line in (unbroken / "metrics.jsonl").read_text().splitlines()]
    assert metrics[0]["trained_parameters"] == metrics[0]["parameters"]
    assert metrics[-1]["step"] == 4


def test_a_run_killed_and_started_again_gives_the_same_bytes(cases: Path, tmp_path: Path) -> None:
    settings = recipe(cases, tmp_path / "run")
    process = started(settings, tmp_path / "recipe.yaml")
    state = tmp_path / "run" / "state.pt"
    deadline = time.monotonic() + 300
    while not state.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    held = RunFolder(tmp_path / "run").load_state()
    assert held is not None
    assert held["done"] < 4, "the run ended before it could be killed"
    unbroken = recipe(cases, tmp_path / "unbroken")
    runs = [started(settings, tmp_path / "recipe.yaml"), started(unbroken, tmp_path / "unbroken.yaml")]
    assert [run.wait() for run in runs] == [0, 0]
    weights = [file_sha256(r.out / "checkpoint" / "model.safetensors") for r in (settings, unbroken)]
    assert weights[0] == weights[1]


def test_a_run_folder_of_another_recipe_is_not_continued(cases: Path, unbroken: Path) -> None:
    with pytest.raises(InputError, match="another seed"):
        finetune(recipe(cases, unbroken, seed=5))


def test_a_faulty_batch_or_data_is_said_in_one_line(cases: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="holds neither"):
        finetune(recipe(empty, tmp_path / "run"))
    with pytest.raises(InputError, match="has no case"):
        finetune(recipe(cases, tmp_path / "run", train=[{"folder": cases, "cases": ["nobody"]}]))


def test_splits_keep_patients_apart(cases: Path, tmp_path: Path) -> None:
    splits = tmp_path / "splits_final.json"
    splits.write_text(json.dumps([{"train": ["case 0"], "val": ["case 1"]}]))
    data = Data(folder=cases, splits=splits)
    assert [c.name for c in cases_of(data)] == ["case 0"]
    assert [c.name for c in cases_of(data, training=False)] == ["case 1"]
    splits.write_text(json.dumps([{"train": ["case 0", "case 1"], "val": ["case 1"]}]))
    with pytest.raises(InputError, match="on both sides"):
        cases_of(data)
    with pytest.raises(InputError, match="no fold 3"):
        cases_of(Data(folder=cases, splits=splits, fold=3))
