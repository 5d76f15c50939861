"""`sam-pet methods`: what a paper can start from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def methods(
    run: Annotated[Path, typer.Argument(help="Folder of an evaluation, or of a training run.")],
    out: Annotated[Path, typer.Option(help="Folder for methods.md, methods.pdf and the figures.")],
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Write methods and results of a run in the order of the CLAIM checklist, each sentence with its sources."""
    from sam_pet.files import require_folder

    require_folder(out)

    from sam_pet.manuscript import write_manuscript

    written = write_manuscript(run, out)
    if as_json:
        print(json.dumps(written))
        return
    counts = ", ".join(f"{len(items)} {status}" for status, items in written["claim"].items())
    print(f"{written['sentences']} sentences from {written['sources']} values; items of CLAIM: {counts}")
    print(f"draft: {written['markdown']}, {written['pdf']}")
