"""A folder that somebody else has filled is left as it is: no run replaces what it has not made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from sam_pet.cli.app import main
from sam_pet.files import write_image
from tests.fakes import two_lesion_study
from tests.train.cases import recipe, write_cases

PHANTOM = ("phantom", "--grid", "40x30x55@14x14x17", "--n", "1", "--out")
SEGMENT = ("segment", "--pet", "pet.mha", "--prompts", "p.json", "--model", "nano-untrained", "--device", "cpu")


@pytest.fixture(autouse=True)
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    study = two_lesion_study()
    write_image(study.grid.image(study.pet), "pet.mha")
    Path("p.json").write_text('{"tumor": [[20, 24, 10]]}')
    Path("studies.csv").write_text("name,pet,prompts\na,pet.mha,p.json\n")
    write_cases(Path("cases"), 1)
    content = recipe(Path("cases"), Path("run"), stages=[{"steps": 1, "batch": 1, "length": 1}])
    told = yaml.safe_dump(content.model_dump(mode="json", exclude_none=True))
    Path("recipe.yaml").write_text(f"# ours\n{told}")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments])
    return int(ended.value.code or 0)


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line of the refusal of a command that changes nothing at all."""
    before = contents()
    capsys.readouterr()
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert contents() == before
    return error


OTHERS = {
    "finetune": ("finetune", "recipe.yaml", "out=session"),
    "train": ("train", "recipe.yaml", "out=session", "--device", "cpu"),
    "batch": ("batch", "--studies", "studies.csv", "--out", "session"),
    "evaluate": (
        *("evaluate", "--cases", "cases", "--method", "threshold41", "--reader", "click-center", "--start", "click"),
        *("--steps", "1", "--out", "session"),
    ),
}


def test_no_run_is_begun_in_the_folder_of_a_session(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*SEGMENT, "--out", "m.mha", "--session", "session") == 0
    for arguments in OTHERS.values():
        assert "session" in refused(capsys, *arguments)


def test_nothing_is_saved_in_the_folder_of_a_training(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("finetune", "recipe.yaml") == 0
    assert "another kind of run (finetune)" in refused(capsys, *SEGMENT, "--out", "m.mha", "--session", "run")
    # Its tracker would take the place of a whole checkpoint, and the other way round.
    assert "another kind of run (finetune)" in refused(capsys, "train", "recipe.yaml", "--device", "cpu")


@pytest.mark.parametrize("name", ["recipe.yaml", "metrics.jsonl", "manifest.json", "checkpoint/notes.txt"])
def test_files_that_no_training_wrote_stay(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("own") / name
    path.parent.mkdir(parents=True)
    path.write_bytes(Path("recipe.yaml").read_bytes())
    assert "it is of no earlier run" in refused(capsys, "finetune", "recipe.yaml", "out=own")


def test_a_recipe_may_lie_where_its_course_leaves_its_stages() -> None:
    before = Path("recipe.yaml").read_bytes()
    assert run("train", "recipe.yaml", "out=.", "--device", "cpu") == 0
    assert Path("recipe.yaml").read_bytes() == before


def test_the_demo_replaces_no_study(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def computed(*_: object) -> None:
        raise AssertionError("it is refused before anything is computed")

    monkeypatch.setattr("sam_pet.demo.demo_study", computed)
    assert "it is of no earlier demo" in refused(capsys, "demo", "--out", "cases/case 0")
    assert "not a folder" in refused(capsys, "demo", "--out", "pet.mha")


@pytest.mark.parametrize("content", ['{"name": "autoPET", "numTraining": 1014}', "[]", ""])
def test_phantoms_are_not_added_to_another_data_set(content: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("data").mkdir()
    Path("data/dataset.json").write_text(content)
    assert "another data set is there" in refused(capsys, *PHANTOM, "data")
    assert run(*PHANTOM, "own") == 0
    assert run(*PHANTOM, "own", "--seed", "1") == 0
    assert json.loads(Path("own/dataset.json").read_text())["numTraining"] == 2
