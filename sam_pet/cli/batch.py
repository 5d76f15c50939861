"""`sam-pet batch`: a cohort in, a folder of masks and one table of measurements out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def batch(
    studies: Annotated[Path, typer.Option(help="CSV with columns pet, ct, prompts, name; or a folder a study.")],
    out: Annotated[Path, typer.Option(help="Folder for masks, manifests and table; a run in it is continued.")],
    model: Annotated[str, typer.Option(help="Name, hub id, checkpoint folder or .pt; see `models list`.")] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON line a study.")] = False,
) -> None:
    """Segment every study of a cohort; what is done is not done again, and what fails is listed."""
    from rich.console import Console
    from rich.progress import Progress

    from sam_pet.cohort.batch import Manifest, run_batch
    from sam_pet.cohort.studies import find_studies

    found = find_studies(studies)
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as progress:
        bar = progress.add_task("batch", total=len(found))

        def report(manifest: Manifest) -> None:
            progress.update(bar, advance=1)
            if as_json:
                print(json.dumps(manifest), flush=True)
            if "error" in manifest:
                console.print(f"{manifest['name']}: {manifest['error']}", highlight=False, markup=False, soft_wrap=True)

        manifests = run_batch(found, out, model, device, workers, report)
    failed = sum("error" in manifest for manifest in manifests)
    if not as_json:
        resumed = sum("resumed" in manifest for manifest in manifests)
        print(f"{len(manifests) - failed} studies done ({resumed} before), {failed} failed: {out}")
    if failed:
        raise typer.Exit(1)
