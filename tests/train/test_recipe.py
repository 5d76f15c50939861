from __future__ import annotations

from pathlib import Path

import pytest

from sam_pet.errors import InputError
from sam_pet.train.recipe import read_recipe

RECIPES = sorted((Path(__file__).parents[2] / "finetune").glob("*.yaml"))


@pytest.mark.parametrize("path", [p for p in RECIPES if "accelerate" not in p.name], ids=lambda p: p.stem)
def test_the_projects_recipes_are_valid(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.steps == sum(stage.steps for stage in recipe.stages)


def test_values_are_changed_by_key() -> None:
    path = next(p for p in RECIPES if p.stem == "sts_lora")
    recipe = read_recipe(path, ["seed=3", "lora.rank=2", "stages.0.steps=7", "out=runs/x", "lora.targets=[trunk]"])
    assert (recipe.seed, recipe.lora.rank, recipe.stages[0].steps, recipe.lora.targets) == (3, 2, 7, ["trunk"])
    assert recipe.steps == 7 + recipe.stages[1].steps
    assert recipe.out == Path("runs/x")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("learning_rate=1", "learning_rate: Extra inputs"),
        ("optimization.lr=-1", "optimization.lr: Input should be greater than 0"),
        ("mode=partial", "mode: Input should be 'full' or 'lora'"),
        ("seed", "not of the form key=value"),
        ("name.first=a", "nothing below"),
    ],
)
def test_a_wrong_key_or_value_is_named(change: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        read_recipe(RECIPES[-1], [change])
    assert "\n" not in str(raised.value)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_recipe(tmp_path / "none.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("a: [1\nb: 2")
    with pytest.raises(InputError, match="is not YAML") as raised:
        read_recipe(broken)
    assert "\n" not in str(raised.value)


def test_names_and_splits_exclude_each_other() -> None:
    path = next(p for p in RECIPES if p.stem == "autopet_lora")
    with pytest.raises(InputError, match="either cases or splits"):
        read_recipe(path, ["train.0.cases=[a]"])
