"""A tiny training run agrees with itself trained again, and whatever is changed in it is found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sam_pet.audit.log import LOG, read_log
from sam_pet.models import untrained
from sam_pet.models.checkpoint import save_model
from sam_pet.models.manifest import ModelManifest
from sam_pet.train.course import train
from sam_pet.train.tracker import finetune
from sam_pet.verify import Verification, verify_run
from sam_pet.verify.checks import Asked
from tests.train.cases import recipe, write_case, write_cases
from tests.verify.runs import differs, edit_log, flip, status


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with cases, a base and a run of two steps."""
    folder = tmp_path_factory.mktemp("made")
    write_cases(folder / "cases")
    save_model(untrained("nano", 64), ModelManifest(name="a"), folder / "base")
    stages = [{"steps": 2, "batch": 1, "length": 1}]
    finetune(recipe(folder / "cases", folder / "run", base=str(folder / "base"), stages=stages), device="cpu")
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "run", tmp_path / "run")
    return tmp_path / "run"


def verified(run: Path, rerun: bool = False, cases: Path | None = None) -> Verification:
    return verify_run(run, Asked(device="cpu", rerun=rerun, cases=cases))


def test_it_agrees_with_itself_trained_again(run: Path) -> None:
    found = verified(run, rerun=True)
    assert differs(found) == set()
    assert status(found, "tracker trained again") == "agrees"
    assert status(found, "losses computed again") == "agrees"
    entries = read_log(run / LOG).entries
    assert [entry["action"] for entry in entries] == ["start", "step", "step", "checkpoint", "seal"]
    assert entries[0]["details"]["environment"]["device"] == "cpu"
    assert len(entries[0]["details"]["cases"]) == 2


@pytest.mark.parametrize(
    "name", ["checkpoint/model.safetensors", "checkpoint/sam_pet.json", "metrics.jsonl", "recipe.yaml", "state.pt"]
)
def test_a_flipped_byte_of_a_file_is_found(run: Path, name: str) -> None:
    flip(run / name)
    assert name in differs(verified(run))


def test_an_edited_line_of_the_log_is_found(run: Path) -> None:
    edit_log(run, 1, result={"loss": 0.0})
    assert differs(verified(run)) == {"chain of the log"}


def test_weights_that_were_exchanged_are_found(run: Path, made: Path) -> None:
    save_model(untrained("nano", 64, seed=5), ModelManifest(name="a", trained=True), run / "checkpoint")
    assert "checkpoint" in differs(verified(run))
    kept = made / "kept"
    shutil.copytree(made / "base", kept)
    save_model(untrained("nano", 64, seed=5), ModelManifest(name="a"), made / "base")
    assert "base weights" in differs(verified(run))
    shutil.rmtree(made / "base")
    kept.rename(made / "base")


def test_a_course_of_several_parts_agrees_with_itself_trained_again(made: Path, tmp_path: Path) -> None:
    stages = [{"steps": 1, "batch": 1, "length": 1}]
    settings = recipe(made / "cases", tmp_path / "run", stages=stages, folds=2, contour={"steps": 1, "batch": 1})
    train(settings, device="cpu")
    found = verified(tmp_path / "run", rerun=True)
    assert differs(found) == set()
    assert {check.what for check in found.checks} >= {"tracker trained again", "contour trained again"}
    actions = [entry["action"] for entry in read_log(tmp_path / "run" / LOG).entries]
    assert actions == ["start", "stage", "stage", "checkpoint", "seal"]
    flip(tmp_path / "run" / "contour" / "done.json", 5)
    assert differs(verified(tmp_path / "run")) == {"contour/done.json"}


def test_a_swapped_case_is_found(run: Path, made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "cases", tmp_path / "cases")
    assert differs(verified(run, cases=tmp_path / "cases")) == set()
    shutil.rmtree(tmp_path / "cases" / "case 1")
    write_case(tmp_path / "cases" / "case 1", 2.0)
    found = verified(run, rerun=True, cases=tmp_path / "cases")
    assert differs(found) == {"case case 1"}
    assert status(found, "checkpoint trained again") == "unchecked"
