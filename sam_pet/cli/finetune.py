"""`sam-pet finetune`: a training run from a recipe."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def finetune(
    recipe: Annotated[Path, typer.Argument(help="A YAML recipe; `sam-pet recipes` shows some to start from.")],
    changes: Annotated[list[str] | None, typer.Argument(help="key=value, part.key=value: values changed.")] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Train a model as a recipe says; the same command goes on where a run was left."""
    from sam_pet.train.recipe import read_recipe

    settings = read_recipe(recipe, changes or ())

    from sam_pet.train.data import example_store, validation_cases
    from sam_pet.train.tracker import finetune as run
    from sam_pet.train.validate import Validator

    validation = settings.validation
    validator = None
    if validation is not None:
        validator = Validator(validation_cases(validation, example_store(settings)), validation.scribbles)
    checkpoint = run(settings, validator)
    if as_json:
        print(json.dumps({"checkpoint": str(checkpoint), "steps": settings.steps}))
    else:
        print(f"checkpoint: {checkpoint}")
