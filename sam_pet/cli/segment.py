"""`sam-pet segment`: a PET/CT and a file of prompts in, a 3-D mask out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer


def segment(
    pet: Annotated[Path, typer.Option(help="PET in SUV: MHA, NIfTI, NRRD, or a DICOM folder. Its grid is the mask's.")],
    prompts: Annotated[Path, typer.Option(help="Points, voxel lists, 3-D Slicer markups or a session's prompts.json.")],
    out: Annotated[Path, typer.Option(help="The mask: uint8, 1 in lesions. .mha, .nii.gz or .nrrd.")],
    ct: Annotated[Path | None, typer.Option(help="CT in HU, likewise; resampled to the PET grid.")] = None,
    model: Annotated[str, typer.Option(help="Name, hub id, checkpoint folder or .pt; see `models list`.")] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    session: Annotated[Path | None, typer.Option(help="Also save the session here: all it takes to replay it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Segment the lesions that prompts point at."""
    import time

    from sam_pet.cli.progress import steps
    from sam_pet.files import require_image_name, write_image
    from sam_pet.prompt_files import read_prompts
    from sam_pet.study import read_study

    require_image_name(out)
    study = read_study(ct, pet)
    drawn = read_prompts(prompts, study.grid)

    # Torch takes seconds to import: not before the input is found good.
    from sam_pet.segmenter import Segmenter

    segmenter = Segmenter.from_pretrained(model, device)
    segmenter.warn_if_untrained()
    started = time.perf_counter()
    opened = segmenter.open(study)
    for prompt in steps(drawn, "prompts"):
        opened.add(prompt)
    mask = opened.array
    seconds = time.perf_counter() - started
    if session is not None:
        opened.save(session)
    write_image(study.grid.image(mask), out)
    voxels, lesions = int(mask.sum()), opened.lesions
    result = {
        "lesions": len(lesions),
        "voxels": voxels,
        "volume_ml": round(voxels * study.grid.voxel_ml, 4),
        "seconds": round(seconds, 3),
        "model": segmenter.record.name,
        "trained": segmenter.record.trained,
        "out": str(out),
    }
    if as_json:
        print(json.dumps(result))
    else:
        _print(result, lesions)


def _print(result: dict[str, Any], lesions: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    columns = {
        "lesion": "lesion",
        "volume_ml": "volume (mL)",
        "suv_max": "SUVmax",
        "suv_mean": "SUVmean",
        "suv_peak": "SUVpeak",
        "tlg": "TLG (g)",
    }
    table = Table(title=f"{result['lesions']} lesions, {result['volume_ml']:g} mL, in {result['seconds']:g} s")
    for heading in columns.values():
        table.add_column(heading, justify="right")
    for _, row in lesions.iterrows():
        table.add_row(*(f"{row[name]:.4g}" for name in columns))
    console = Console()
    console.print(table)
    console.print(f"mask: {result['out']}", highlight=False, soft_wrap=True)
