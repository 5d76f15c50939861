"""The first training that a page shows needs no folder that a fresh checkout lacks, but what the page has made or asked
for before."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from sam_pet.train.recipe import Recipe, read_recipe
from tests.docs.blocks import PAGES, ROOT, blocks_of


def commands(page: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a page, each after the prose before it."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    for block in blocks_of(page):
        if block.language == "sh":
            prose = " ".join(lines[: block.line - 1])
            yield from ((prose, shlex.split(line)) for line in block.commands)


def trains(words: list[str]) -> bool:
    return words[0] == "sam-pet" and words[1] in ("train", "finetune")


def needed(recipe: Recipe) -> set[Path]:
    """The files and folders that a recipe reads."""
    found = {path for data in recipe.train for path in (data.folder, data.splits, data.maps) if path is not None}
    return found | ({Path(recipe.base).parent} if recipe.base.startswith("runs/") else set())


TRAINING_PAGES = [page for page in PAGES if any(trains(words) for _, words in commands(page))]


def test_pages_that_train_are_found() -> None:
    assert {"finetune/README.md", "docs/howto/finetune.md", "docs/weights.md", "docs/finetuning.md"} <= {
        *TRAINING_PAGES
    }


@pytest.mark.parametrize("page", TRAINING_PAGES)
def test_the_first_training_of_a_page_runs_in_a_fresh_checkout(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    made: set[Path] = set()
    for prose, words in commands(page):
        if trains(words):
            recipe = read_recipe(words[2], [word for word in words[3:] if not word.startswith("--")])
            absent = [str(path) for path in needed(recipe) - made if not path.exists()]
            assert [path for path in absent if f"`{path}`" not in prose] == [], " ".join(words)
            return
        if "--out" in words:
            made.add(Path(words[words.index("--out") + 1]))


def test_a_recipe_on_data_that_nobody_has_is_seen() -> None:
    assert Path("data/sts") in needed(read_recipe(ROOT / "finetune" / "sts_lora.yaml"))
