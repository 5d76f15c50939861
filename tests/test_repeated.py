"""A command that writes a folder, given once more, changes nothing in it, or says why it refuses."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from peft import LoraConfig, get_peft_model

from sam_pet.cli.app import app, main
from sam_pet.files import write_image
from sam_pet.models import untrained
from tests.fakes import two_lesion_study
from tests.train.cases import recipe, write_cases

# By the command that is meant, what else it is given; FOLDER is where it writes.
COMMANDS: dict[str, tuple[str, ...]] = {
    "segment": ("--pet", "pet.mha", "--prompts", "p.json", "--out", "FOLDER/m.mha", "--session", "FOLDER/session"),
    "batch": ("--studies", "studies.csv", "--out", "FOLDER"),
    "demo": ("--out", "FOLDER", "--model", "nano-untrained"),
    "evaluate": (
        *("--cases", "cases", "--method", "threshold41", "--method", "suv4", "--reader", "click-center"),
        *("--start", "click", "--steps", "1", "--out", "FOLDER"),
    ),
    "finetune": ("recipe.yaml", "out=FOLDER"),
    "train": ("recipe.yaml", "out=FOLDER", "--device", "cpu"),
    "methods": ("evaluated", "--out", "FOLDER"),
    "phantom": ("--grid", "40x30x55@14x14x17", "--n", "2", "--out", "FOLDER"),
    "trajectories": (
        *("--cases", "cases", "--lesions", "1", "--turns", "1", "--model", "nano-untrained", "--out", "FOLDER"),
    ),
    "recipes": ("--out", "FOLDER"),
    "report": ("--pet", "pet.mha", "--mask", "mask.mha", "--out", "FOLDER"),
    "models convert": ("nano-untrained", "--out", "FOLDER"),
    "models merge": ("adapter", "--base", "nano-untrained", "--out", "FOLDER"),
}
# One file, the cache that the hub's programs share, a server, and nothing.
NO_FOLDER = {"simulate", "models fetch", "mcp", "serve", "score", "verify", "models list", "models verify"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    study = two_lesion_study()
    write_image(study.grid.image(study.pet), folder / "pet.mha")
    write_image(study.grid.image((study.pet > 5).astype("uint8")), folder / "mask.mha")
    (folder / "p.json").write_text('{"tumor": [[20, 24, 10]]}')
    (folder / "studies.csv").write_text("name,pet,prompts\na,pet.mha,p.json\n")
    write_cases(folder / "cases", 1)
    content = recipe(folder / "cases", folder / "out", stages=[{"steps": 1, "batch": 1, "length": 1}])
    (folder / "recipe.yaml").write_text(yaml.safe_dump(content.model_dump(mode="json", exclude_none=True)))
    model = get_peft_model(untrained("nano"), LoraConfig(r=2, target_modules=r"mask_decoder.*q_proj"))
    model.save_pretrained(folder / "adapter", save_embedding_layers=False)
    return folder


def run(name: str, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main([*name.split(), *arguments, "--json"])
    return int(ended.value.code or 0), capsys.readouterr().err


def contents(folder: Path) -> dict[str, bytes]:
    """All files but what TensorBoard shows, which is no result."""
    files = (path for path in folder.rglob("*") if path.is_file() and "tensorboard" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_second_run_changes_nothing(
    name: str, inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(inputs)
    if name == "methods":
        evaluate = (part.replace("FOLDER", "evaluated") for part in COMMANDS["evaluate"])
        assert run("evaluate", tuple(evaluate), capsys)[0] == 0
    arguments = tuple(part.replace("FOLDER", str(tmp_path / "out")) for part in COMMANDS[name])
    code, error = run(name, arguments, capsys)
    assert code == 0, error
    before = contents(tmp_path / "out")
    assert before
    code, error = run(name, arguments, capsys)
    after = contents(tmp_path / "out")
    assert {path for path in {**before, **after} if before.get(path) != after.get(path)} == set()
    if code != 0:
        assert code == 2
        assert error.count("\n") == 1


def commands(command: Any, name: str = "") -> Iterator[str]:
    parts = getattr(command, "commands", {})
    for part, inner in parts.items():
        yield from commands(inner, f"{name} {part}".strip())
    if not parts:
        yield name


def test_every_command_is_known_here() -> None:
    assert set(commands(typer.main.get_command(app))) == COMMANDS.keys() | NO_FOLDER


def test_a_cohort_that_is_given_again_with_one_study_more_goes_on(
    inputs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(inputs)
    arguments = ("--studies", "more.csv", "--out", str(tmp_path / "out"))
    for rows in ("a,pet.mha,p.json\n", "a,pet.mha,p.json\nb,pet.mha,p.json\n"):
        (inputs / "more.csv").write_text(f"name,pet,prompts\n{rows}")
        assert run("batch", arguments, capsys)[0] == 0
    log = [json.loads(line) for line in (tmp_path / "out" / "audit.jsonl").read_text().splitlines()]
    assert [entry["action"] for entry in log] == ["start", "segment", "seal", "start", "keep", "segment", "seal"]
    assert run("verify", (str(tmp_path / "out"), "--hashes-only"), capsys)[0] == 0


@pytest.mark.skipif(os.name != "posix", reason="rights are POSIX's")
@pytest.mark.parametrize("name", ["demo", "report", "batch", "phantom", "recipes"])
def test_a_place_that_cannot_be_written_to_is_told_before_anything_is_computed(
    name: str, inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(inputs)
    arguments = tuple(part.replace("FOLDER", "/proc/sam_pet") for part in COMMANDS[name])
    code, error = run(name, arguments, capsys)
    assert (code, error.count("\n")) == (2, 1)
    assert "/proc" in error
