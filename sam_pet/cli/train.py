"""`sam-pet train`: the whole course of a recipe."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[Path, typer.Argument(help="A YAML recipe; `sam-pet recipes` shows some to start from.")],
    changes: Annotated[list[str] | None, typer.Argument(help="key=value, part.key=value: values changed.")] = None,
    only: Annotated[str | None, typer.Option(help="Run this stage alone.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Run this stage and those after it anew.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Train every part of a model that a recipe names; the same command goes on where a run was left."""
    from sam_pet.train.recipe import read_recipe

    settings = read_recipe(recipe, changes or ())
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr, force=True)

    from sam_pet.train.course import train as run
    from sam_pet.train.data import example_store, validation_cases
    from sam_pet.train.validate import Validator

    validation = settings.validation
    validator = None
    if validation is not None:
        validator = Validator(validation_cases(validation, example_store(settings)), validation.scribbles)
    checkpoint = run(settings, validator, device, only, start)
    if as_json:
        print(json.dumps({"checkpoint": str(checkpoint)}))
    else:
        print(f"checkpoint: {checkpoint}")
