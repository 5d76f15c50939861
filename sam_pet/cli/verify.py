"""`sam-pet verify`: whether a run is what it says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sam_pet.verify import Verification

DIFFERS = 3


def verify(
    run: Annotated[Path, typer.Argument(help="Folder of a session, an evaluation, a training run or a cohort.")],
    pet: Annotated[Path | None, typer.Option(help="Of a session: the PET it was made on.")] = None,
    ct: Annotated[Path | None, typer.Option(help="Of a session: the CT.")] = None,
    cases: Annotated[Path | None, typer.Option(help="Of an evaluation or a training: the folder of its cases.")] = None,
    model: Annotated[str | None, typer.Option(help="Of a session: where its weights are now.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Processes, for an evaluation.")] = 1,
    hashes_only: Annotated[
        bool, typer.Option("--hashes-only", help="Compare hashes; compute no output again, which may take long.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Compute a run's outputs again and say what agrees, what differs and what cannot be checked.

    Exit code 0: nothing differs; 3: something does; 2: the input is at fault.
    """
    from sam_pet.verify import verify_run
    from sam_pet.verify.checks import Asked

    asked = Asked(pet, ct, cases, model, device, workers, rerun=not hashes_only)
    found = verify_run(run, asked)
    if as_json:
        print(json.dumps(found.record))
    else:
        _print(found)
    if found.count("differs"):
        raise typer.Exit(DIFFERS)


def _print(found: Verification) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from sam_pet.verify.checks import STATUSES

    names = {"agrees": "agrees", "differs": "DIFFERS", "unchecked": "cannot be checked"}
    table = Table("what", "", "detail")
    for check in found.checks:
        style = "bold red" if check.status == "differs" else ""
        table.add_row(escape(check.what), names[check.status], escape(check.detail), style=style)
    console = Console()
    console.print(table)
    agree, differ, unchecked = (found.count(status) for status in STATUSES)
    counts = f"{agree} agree, {differ} differ, {unchecked} cannot be checked"
    console.print(f"{found.run}: {counts}; head {found.head or 'none'}", highlight=False, soft_wrap=True)
