"""The recipes that come with the package, listed and copied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sam_pet.cli.app import main
from sam_pet.errors import InputError
from sam_pet.train.recipe import read_recipe
from sam_pet.train.recipes import copy_recipes, recipes_folder, shipped_recipes


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(["recipes", *arguments])
    assert stop.value.code in (0, None)
    return capsys.readouterr().out


def test_every_recipe_is_listed_with_what_it_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    lines = said(capsys).splitlines()
    assert [line.split()[0] for line in lines] == list(shipped_recipes())
    assert "LoRA on real sarcoma studies" in next(line for line in lines if line.startswith("sts_lora.yaml"))


@pytest.mark.parametrize("name", list(shipped_recipes()))
def test_a_copied_recipe_can_be_read(name: str, tmp_path: Path) -> None:
    (path,) = copy_recipes([name], tmp_path / "mine")
    assert read_recipe(path).name


def test_other_files_of_the_folder_are_no_recipes() -> None:
    assert (recipes_folder() / "accelerate_8gpu.yaml").is_file()
    assert "accelerate_8gpu.yaml" not in shipped_recipes()


def test_all_are_copied_and_copied_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        copied = json.loads(said(capsys, "--out", str(tmp_path), "--json"))["copied"]
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(Path(p).name for p in copied)


def test_a_changed_recipe_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="another file of that name"):
        copy_recipes((), tmp_path)
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == ["mine"]


def test_an_unknown_name_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none named 'no.yaml'.*tiny.yaml"):
        copy_recipes(["no.yaml"], tmp_path)
    with pytest.raises(SystemExit) as stop:
        main(["recipes", "tiny.yaml"])
    assert stop.value.code == 2
