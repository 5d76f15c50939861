"""The `sam-pet` command: one module a subcommand, registered here."""

from __future__ import annotations

import logging
import sys
from typing import Annotated, Any

import typer

import sam_pet
from sam_pet.cli.batch import batch
from sam_pet.cli.demo import demo
from sam_pet.cli.evaluate import evaluate
from sam_pet.cli.finetune import finetune
from sam_pet.cli.mcp import mcp
from sam_pet.cli.methods import methods
from sam_pet.cli.models import models
from sam_pet.cli.phantom import phantom
from sam_pet.cli.recipes import recipes
from sam_pet.cli.report import report
from sam_pet.cli.score import score
from sam_pet.cli.segment import segment
from sam_pet.cli.serve import serve
from sam_pet.cli.simulate import simulate
from sam_pet.cli.train import train
from sam_pet.cli.trajectories import trajectories
from sam_pet.cli.verify import verify
from sam_pet.errors import reported

app = typer.Typer(
    name="sam-pet",
    help="Interactive whole-body PET/CT lesion segmentation with SAM 2.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sam-pet {sam_pet.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None: ...


app.command()(segment)
app.command()(serve)
app.command()(batch)
app.command()(demo)
app.command()(evaluate)
app.command()(finetune)
app.command()(mcp)
app.command()(methods)
app.command()(phantom)
app.command()(recipes)
app.command()(report)
app.command()(score)
app.command()(simulate)
app.command()(train)
app.command()(trajectories)
app.command()(verify)

app.add_typer(models)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; a fault of the input is one line on stderr and exit code 2."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="sam-pet: %(levelname)s: %(message)s")
    with reported("sam-pet"):
        command: Any = typer.main.get_command(app)
        _hide_flag_types(command)
        command(args=arguments, prog_name="sam-pet")


def _hide_flag_types(command: Any) -> None:
    """Help says no type of a flag: it takes no value."""
    for option in command.get_params(typer.Context(command)):
        if getattr(option, "is_flag", False):
            option.metavar = ""
    for part in getattr(command, "commands", {}).values():
        _hide_flag_types(part)
