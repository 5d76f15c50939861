"""The recipes that come with the package."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sam_pet.errors import InputError
from sam_pet.files import replacing, require_folder


@dataclass(frozen=True)
class ShippedRecipe:
    """A recipe by its file name, and the first sentence of what it says of itself."""

    name: str
    about: str
    path: Path


def recipes_folder() -> Path:
    """Where the recipes lie: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    installed = package / "recipes"
    return installed if installed.is_dir() else package.parent / "finetune"


def shipped_recipes() -> dict[str, ShippedRecipe]:
    """The recipes by file name, sorted.

    Examples:
        >>> from sam_pet.train.recipes import shipped_recipes
        >>> shipped_recipes()["tiny.yaml"].about
        'Every stage in minutes on two cores: shows that a course runs, not what it is worth'
    """
    found = {}
    for path in sorted(recipes_folder().glob("*.yaml")):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        if first.startswith("#"):
            about = re.split(r"\. |\.$", first.removeprefix("#").strip())[0]
            found[path.name] = ShippedRecipe(path.name, about, path)
    return found


def copy_recipes(names: Sequence[str], folder: str | os.PathLike[str]) -> list[Path]:
    """Copy recipes to a folder; one that is there already with the same content stays.

    Args:
        names: of the recipes; none means all.
        folder: made where it is missing.

    Returns:
        The files, in the order of the names.

    Raises:
        InputError: no recipe of that name, or another file would be replaced; nothing is copied then.

    Examples:
        >>> from sam_pet.train.recipes import copy_recipes
        >>> [path.name for path in copy_recipes(["tiny.yaml"], "finetune")]
        ['tiny.yaml']
    """
    folder, known = Path(folder), shipped_recipes()
    require_folder(folder)
    chosen = names or list(known)
    for name in chosen:
        if name not in known:
            raise InputError(f"recipes: there is none named {name!r}; there are {', '.join(known)}")
        there = folder / name
        if there.is_dir() or (there.is_file() and there.read_bytes() != known[name].path.read_bytes()):
            raise InputError(f"cannot write {there}: another file of that name is there; give another folder")
    for name in chosen:
        with replacing(folder / name) as temporary:
            temporary.write_bytes(known[name].path.read_bytes())
    return [folder / name for name in chosen]
