"""`sam-pet report`: pictures and measurements of a study's lesions as a page and on paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def report(
    pet: Annotated[Path, typer.Option(help="PET in SUV: MHA, NIfTI, NRRD, or a DICOM folder.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.pdf, lesions.csv and lesions.json.")],
    ct: Annotated[Path | None, typer.Option(help="CT in HU, likewise; resampled to the PET grid.")] = None,
    session: Annotated[Path | None, typer.Option(help="A session saved by `segment --session`, on this study.")] = None,
    mask: Annotated[Path | None, typer.Option(help="Or a mask or label map on the PET grid.")] = None,
    suv_max: Annotated[float, typer.Option(help="The SUV that is black in the pictures.")] = 10.0,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Write a report on the lesions of a study: projections, slices, measurements, model and prompts."""
    from sam_pet.errors import InputError
    from sam_pet.files import require_apart, require_folder
    from sam_pet.outputs import sources
    from sam_pet.study import read_study

    if (session is None) == (mask is None):
        raise InputError("report: give one of --session and --mask, where the lesions come from")
    if not 0 < suv_max < float("inf"):
        raise InputError(f"report: --suv-max is {suv_max:g}; give a positive SUV, such as 10")
    require_folder(out)
    # `FILES` of the writer, which takes long to import.
    written = ("report.html", "report.pdf", "lesions.csv", "lesions.json")
    require_apart([out / name for name in written], [*sources(pet), *sources(ct), session, mask])
    study = read_study(ct, pet)

    from sam_pet.report import of_mask, of_session, write_report

    suv = (0.0, suv_max)
    content = of_mask(study, mask, suv) if mask is not None else of_session(study, session or Path(), suv)
    result = write_report(content, out)
    if as_json:
        print(json.dumps(result))
        return
    from rich.console import Console

    console = Console()
    console.print(", ".join(f"{name} {value}" for name, value in content.total_lines), highlight=False)
    console.print(f"report: {result['html']}, {result['pdf']}", highlight=False, soft_wrap=True)
