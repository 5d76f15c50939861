"""`sam-pet recipes`: the training recipes that come with the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def recipes(
    names: Annotated[list[str] | None, typer.Argument(help="Copy these alone; all by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Copy them to this folder; without it they are listed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """List the training recipes that come with the package, or copy them to change them."""
    from sam_pet.errors import InputError
    from sam_pet.train.recipes import copy_recipes, shipped_recipes

    if out is None and names:
        raise InputError("recipes: say where to copy them with --out FOLDER")
    known = shipped_recipes()
    copied = [] if out is None else [str(path) for path in copy_recipes(names or (), out)]
    if as_json:
        print(json.dumps({"recipes": {r.name: r.about for r in known.values()}, "copied": copied}))
    elif copied:
        print("\n".join(copied))
    else:
        width = max(map(len, known))
        print("\n".join(f"{recipe.name:<{width}}  {recipe.about}" for recipe in known.values()))
