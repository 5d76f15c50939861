from __future__ import annotations

from pathlib import Path

import pytest

from sam_pet.errors import InputError
from sam_pet.models.architectures import architecture
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


@pytest.mark.parametrize("word", ["no", "off", "false"])
def test_no_precision_is_a_word_and_not_false(word: str) -> None:
    path = next(p for p in RECIPES if p.stem == "tiny")
    assert read_recipe(path, [f"precision={word}"]).precision == "no"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("learning_rate=1", "learning_rate: Extra inputs"),
        ("optimization.lr=-1", "optimization.lr: Input should be greater than 0"),
        ("mode=partial", "mode: Input should be 'full' or 'lora'"),
        ("seed", "not of the form key=value"),
        ("name.first=a", "nothing below"),
        ("train.5.folder=x", "there is no '5' in a list of 1"),
        ("train.x.folder=x", "there is no 'x' in a list of 1"),
        ("name=[", "is not YAML"),
        ("train.0.phantoms=many", "seeds 'many' are not FIRST"),
        ("train.0.phantoms=0:9999999999", "more than anybody makes"),
        ("contour.steps=0", "contour.steps: Input should be greater than 0"),
        ("seed=true", "seed is true and must be a number"),
        ("stages.0.steps=on", "stages.0.steps is true and must be a number"),
        ("optimization.lr=yes", "optimization.lr is true and must be a number"),
        ("optimization.lr=.inf", "optimization.lr: Input should be a finite number"),
        ("seed=010", "010 is no decimal number"),
        ("stages.0.steps=1:30", "1:30 is no decimal number"),
        ("optimization={lr: 1, lr: 2}", "it says 'lr' twice"),
        ("name=no", "name: Input should be a valid string"),
        ("name=2024-99-99", "is not YAML"),
        ("seed=" + 99 * "9", "seed: Input should be less than"),
        ("seed=" + 99 * "[", "is not YAML"),
        ("stages.-1.steps=2", "there is no '-1' in a list"),
        ("stages.=2", "there is no '' in a list"),
        ("stages.²=1", "there is no '²' in a list"),
        ("settings.strokes.reach_mm=-1", "settings.strokes.reach_mm: Input should be greater"),
        ("settings.strokes.reach=1", "settings.strokes.reach: Extra inputs"),
        ("train.0.folder=!!python/object/apply:os.system ['touch pwned']", "is not YAML"),
    ],
)
def test_a_wrong_key_or_value_is_named(change: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as raised:
        read_recipe(next(p for p in RECIPES if p.stem == "tiny"), [change])
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


@pytest.mark.parametrize(
    "content",
    [
        b"name: a\nname: b\n",
        b"name: \xff\n",
        b"name: 2024-99-99\n",
        b"seed: " + b"9" * 5000,
        b"[" * 40_000,
        b"- 1\n",
        b"!!timestamp x",
        b"!!int x",
        b"!!float x",
    ],
    ids=["twice", "bytes", "date", "long", "deep", "list", "no time", "no int", "no float"],
)
def test_what_no_recipe_holds_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"^recipe: .*r\.yaml") as raised:
        read_recipe(path)
    assert "\n" not in str(raised.value)


def test_a_recipe_that_is_no_utf8_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("name: Münster".encode("latin-1"))
    with pytest.raises(InputError, match="UTF-8") as raised:
        read_recipe(path)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("{weight: 1}", "either a folder of cases or seeds"),
        ('{folder: a, phantoms: "1"}', "either a folder of cases or seeds"),
        ('{phantoms: "1", variant: warped}', "warped phantoms need a grid"),
        ('{phantoms: "1", grid: 4x4}', "grid"),
        ('{phantoms: "1", maps: a}', "organ maps are for phantoms of the variant wide"),
    ],
)
def test_data_are_cases_or_phantoms(data: str, message: str) -> None:
    path = next(p for p in RECIPES if p.stem == "tiny")
    with pytest.raises(InputError, match=message):
        read_recipe(path, [f"train=[{data}]"])


@pytest.mark.parametrize(
    ("changes", "architecture_name"),
    [
        ([], "tiny"),
        (["base=facebook/sam2.1-hiera-small"], "small"),
        (["base=sam3", "image_size=504"], "sam3-tracker"),
        (["base=edgetam"], "edgetam"),
    ],
)
def test_the_recipe_for_autopet_takes_every_family(changes: list[str], architecture_name: str) -> None:
    path = next(p for p in RECIPES if p.stem == "autopet_lora")
    recipe = read_recipe(path, changes)
    assert recipe.image_size is not None
    assert int(architecture(architecture_name, recipe.image_size).image_size) == recipe.image_size
    assert " ".join(changes) in path.read_text()
