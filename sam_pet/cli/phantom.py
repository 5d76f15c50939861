"""`sam-pet phantom`: write simulated studies."""

from __future__ import annotations

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


class _Tracer(StrEnum):
    fdg = "fdg"
    psma = "psma"
    mixed = "mixed"


class _Layout(StrEnum):
    nnunet = "nnunet"
    folders = "folders"


def phantom(
    out: Annotated[Path, typer.Option(help="Folder for the cases.")],
    n: Annotated[int, typer.Option("--n", min=1, help="Number of cases.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the first case; the next ones count up.")] = 0,
    tracer: Annotated[_Tracer, typer.Option(help="Tracer; mixed alternates.")] = _Tracer.mixed,
    layout: Annotated[_Layout, typer.Option(help="nnU-Net folders, or one folder a case.")] = _Layout.nnunet,
    grid: Annotated[
        str | None, typer.Option(help="Voxels @ mm, as 400x400x326@2.04x2.04x3; otherwise one of the challenge's.")
    ] = None,
    anatomy: Annotated[
        Path | None,
        typer.Option(help="A real organ map (1 spleen ... 10 head glands) in place of drawn organs."),
    ] = None,
    seeds: Annotated[
        Path | None,
        typer.Option(help="With --anatomy: points (lesion-clicks.json) at whose tumor voxels lesions grow."),
    ] = None,
    maps: Annotated[
        Path | None,
        typer.Option(help="A folder of organ maps with their lesions: studies far wider than real ones, on these."),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(help="With --maps, repeatable: scanner, uptake, body, ct or lesions as usual, not wide."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Write simulated whole-body PET/CT studies with their lesions; the same command goes on where it was left."""
    from rich.console import Console
    from rich.progress import track

    from sam_pet.errors import InputError
    from sam_pet.files import file_sha256, read_image, require_folder
    from sam_pet.geometry import Grid
    from sam_pet.phantom import make_phantom, make_wide, read_patients, write_folder, write_nnunet
    from sam_pet.phantom.frame import parse_grid
    from sam_pet.phantom.wide import checked_groups
    from sam_pet.phantom.write import made_before, write_dataset
    from sam_pet.prompt_files import read_prompts

    if anatomy is not None and grid is not None:
        raise InputError("--grid and --anatomy exclude each other: the organ map brings its own grid; drop one")
    if seeds is not None and anatomy is None:
        raise InputError("--seeds needs --anatomy: seed voxels lie on the grid of an organ map")
    if maps is not None and (anatomy is not None or grid is not None):
        raise InputError("--maps excludes --grid and --anatomy: the organ maps bring their own grids; drop the others")
    if without and maps is None:
        raise InputError("--without needs --maps: the usual phantom has no groups to leave out")
    usual = checked_groups(without or [])
    wanted = None if grid is None else parse_grid(grid)
    organ_map = None if anatomy is None else read_image(anatomy, "organ map")
    voxels: list[tuple[int, int, int]] | None = None
    if seeds is not None and organ_map is not None:
        prompts = [p for p in read_prompts(seeds, Grid.of(organ_map)) if p.label == "tumor"]
        voxels = [(x, y, z) for p in prompts for x, y, z in p.voxels.tolist()]
    given = {
        "grid": grid,
        "anatomy": None if anatomy is None else file_sha256(anatomy),
        "seeds": None if seeds is None else file_sha256(seeds),
    }
    patients = [p for p in read_patients(maps) if tracer.value in ("mixed", p.tracer)] if maps is not None else []
    if maps is not None and not patients:
        raise InputError(f"--maps: {maps} holds no organ map of tracer {tracer.value}; give another --tracer")
    require_folder(out)
    plan = []
    for i in range(seed, seed + n):
        which = tracer.value if tracer is not _Tracer.mixed else ("fdg", "psma")[i % 2]
        if patients:
            patient = patients[i % len(patients)]
            which = patient.tracer
            given |= {"patient": patient.name, "organs": file_sha256(patient.organs), "without": ",".join(usual)}
        name = f"phantom_{which}_{i:05d}"
        asked = {"seed": i, "tracer": which, **given}
        plan.append((i, which, name, asked, made_before(name, out, layout.value, asked)))
    write = write_nnunet if layout is _Layout.nnunet else write_folder

    cases: list[dict[str, Any]] = []
    began = time.perf_counter()
    console = Console(stderr=True)
    written = 0
    for number, which, name, asked, lesions in track(
        plan, "phantoms", console=console, disable=not console.is_terminal
    ):
        if lesions is None:
            if patients:
                made = make_wide(number, patients[number % len(patients)], without=usual)
            else:
                made = make_phantom(
                    number, "psma" if which == "psma" else "fdg", wanted, anatomy=organ_map, seeds=voxels
                )
            write(made, name, out, asked=asked)
            lesions, written = len(made.facts["lesions"]), written + 1
        cases.append({"case": name, "seed": number, "tracer": which, "lesions": lesions})
    if layout is _Layout.nnunet:
        # A run may have ended between its last case and this.
        write_dataset(out)
    report = {
        "out": str(out),
        "layout": layout.value,
        "cases": cases,
        "written": written,
        "lesions": sum(c["lesions"] for c in cases),
        "seconds": round(time.perf_counter() - began, 2),
    }
    if as_json:
        print(json.dumps(report))
    else:
        console.print(f"{report['written']} cases, {report['lesions']} lesions: {out}", highlight=False)
