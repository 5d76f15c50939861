from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import SimpleITK as sitk
import yaml

from sam_pet.errors import InputError
from sam_pet.files import file_sha256, write_image
from sam_pet.models import load_model
from sam_pet.train.data import cases_of
from sam_pet.train.recipe import Data, Recipe, read_recipe
from sam_pet.train.run_folder import RunFolder
from sam_pet.train.store import ExampleStore
from sam_pet.train.tracker import finetune
from sam_pet.train.validate import Validator
from tests.train.cases import recipe, write_cases

# None of these cases needs one.
STORE = ExampleStore(Path("no store"))


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cases(tmp_path_factory.mktemp("cases"))


@pytest.fixture(scope="module")
def unbroken(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("unbroken") / "run"
    finetune(recipe(cases, out))
    return out


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


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
    lines = metrics(unbroken)
    assert lines[0]["trained_parameters"] == lines[0]["parameters"]
    assert lines[-1]["step"] == 4
    card = (unbroken / "checkpoint" / "README.md").read_text()
    assert "(training.png)" in card
    assert (unbroken / "checkpoint" / "training.png").read_bytes().startswith(b"\x89PNG")


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
    assert [c.name for c in cases_of(data, STORE)] == ["case 0"]
    assert [c.name for c in cases_of(data, STORE, training=False)] == ["case 1"]
    splits.write_text(json.dumps([{"train": ["case 0", "case 1"], "val": ["case 1"]}]))
    with pytest.raises(InputError, match="on both sides"):
        cases_of(data, STORE)
    with pytest.raises(InputError, match="no fold 3"):
        cases_of(Data(folder=cases, splits=splits, fold=3), STORE)


def test_two_processes_learn_as_one_with_the_same_batch(cases: Path, tmp_path: Path) -> None:
    stages = [{"steps": 3, "batch": 4, "length": 2, "corrections": 1}]
    one = recipe(cases, tmp_path / "one", stages=stages)
    two = recipe(cases, tmp_path / "two", stages=stages)
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(two.model_dump(mode="json")))
    launch = Path(__file__).parents[2] / "finetune" / "launch.py"
    command = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "2", "--num_machines", "1"]
    subprocess.run(
        [sys.executable, *command, "--mixed_precision", "no", "--dynamo_backend", "no", str(launch), str(path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
    )
    finetune(one)
    losses = [metrics(r.out)[-1]["loss"] for r in (one, two)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)


def test_metrics_are_also_there_for_tensorboard(unbroken: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(unbroken / "tensorboard"))
    events.Reload()
    (loss,) = events.Scalars("loss")
    assert loss.step == 4
    assert loss.value == pytest.approx(metrics(unbroken)[-1]["loss"])


@pytest.mark.parametrize("name", ["autopet_lora", "autopet_full"])
def test_the_autopet_recipes_run_on_phantoms_in_the_autopet_layout(name: str, tmp_path: Path) -> None:
    from sam_pet.geometry import Grid
    from sam_pet.phantom import make_phantom, write_nnunet

    grid = Grid((64, 64, 100), (8.0, 8.0, 10.0))
    for seed, case in ((1, "fdg_a_2020"), (2, "fdg_b_2020")):
        write_nnunet(make_phantom(seed, "fdg", grid, lesion_free=False), case, tmp_path / "autopet")
    splits = tmp_path / "autopet" / "splits_final.json"
    splits.write_text(json.dumps([{"train": ["fdg_a_2020"], "val": ["fdg_b_2020"]}]))
    folder = [f"train.0.folder={tmp_path / 'autopet'}", f"train.0.splits={splits}"]
    changes = [
        *folder,
        *(change.replace("train.0", "validation.data.0") for change in folder),
        f"out={tmp_path / 'run'}",
        "base=nano-untrained",
        "image_size=64",
        "workers=0",
        "stages=[{steps: 1, batch: 2, length: 2}, {steps: 1, batch: 2, length: 3, corrections: 1}]",
        "validation.scribbles=1",
    ]
    settings = read_recipe(Path(__file__).parents[2] / "finetune" / f"{name}.yaml", changes)
    cases = [case for data in settings.validation.data for case in cases_of(data, STORE, training=False)]
    checkpoint = finetune(settings, Validator(cases, 1))
    loaded = load_model(checkpoint)
    assert loaded.record.licence == "CC-BY-NC-4.0"
    assert metrics(settings.out)[-1]["validation_cases"] == 1


def test_cases_of_which_none_has_a_lesion_are_refused(cases: Path, tmp_path: Path) -> None:
    case = tmp_path / "cases" / "healthy"
    shutil.copytree(cases / "case 0", case)
    truth = sitk.ReadImage(str(case / "SEG.nii.gz"))
    write_image(truth * 0, case / "SEG.nii.gz")
    with pytest.raises(InputError, match="no case to train on has a lesion"):
        finetune(recipe(case.parent, tmp_path / "run"))
    assert not (tmp_path / "run" / "recipe.yaml").exists()


def test_a_label_on_another_grid_is_refused(cases: Path, tmp_path: Path) -> None:
    case = tmp_path / "cases" / "shifted"
    shutil.copytree(cases / "case 0", case)
    truth = sitk.ReadImage(str(case / "SEG.nii.gz"))
    write_image(truth[1:], case / "SEG.nii.gz")
    with pytest.raises(InputError, match=r"different grids.*SEG\.nii\.gz") as raised:
        finetune(recipe(case.parent, tmp_path / "run"))
    assert "\n" not in str(raised.value)
