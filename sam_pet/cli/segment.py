"""`sam-pet segment`: a PET/CT and a file of prompts in, a 3-D mask out."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sam_pet.prompts import Prompt
    from sam_pet.study import Study

logger = logging.getLogger(__name__)

_COLD_SUV = 0.2


class _Tracer(StrEnum):
    auto = "auto"
    fdg = "fdg"
    psma = "psma"


def segment(
    pet: Annotated[Path, typer.Option(help="PET in SUV: MHA, NIfTI, NRRD, or a DICOM folder. Its grid is the mask's.")],
    out: Annotated[
        Path, typer.Option(help="The mask: uint8, 1 in lesions. .mha, .nii.gz, .nrrd, or .seg.nrrd for 3-D Slicer.")
    ],
    prompts: Annotated[
        Path | None,
        typer.Option(
            help="Points, voxel lists, 3-D Slicer markups or a session's prompts.json; else it looks for lesions."
        ),
    ] = None,
    ct: Annotated[Path | None, typer.Option(help="CT in HU, likewise; resampled to the PET grid.")] = None,
    tracer: Annotated[_Tracer, typer.Option(help="Without prompts: what was injected; auto finds out.")] = _Tracer.auto,
    model: Annotated[str, typer.Option(help="Name, hub id, checkpoint folder or .pt; see `models list`.")] = "default",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    session: Annotated[Path | None, typer.Option(help="Also save the session here: all it takes to replay it.")] = None,
    dicom_seg: Annotated[Path | None, typer.Option(help="Also write a DICOM SEG; the PET must be DICOM.")] = None,
    rtstruct: Annotated[Path | None, typer.Option(help="Also write a DICOM RTSTRUCT; the PET must be DICOM.")] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Segment the lesions that prompts point at, or without prompts those that the study shows."""
    import time

    from sam_pet import outputs
    from sam_pet.audit import PROGRAM, Actor
    from sam_pet.files import file_sha256, require_apart, require_folder, require_image_name
    from sam_pet.progress import steps
    from sam_pet.prompt_files import read_prompts
    from sam_pet.session.files import FILES
    from sam_pet.study import LITTLE_COVERED, read_study

    require_image_name(out)
    dicom = {kind: path for kind, path in (("SEG", dicom_seg), ("RTSTRUCT", rtstruct)) if path is not None}
    outputs.require_dicom_names(dicom)
    if session is not None:
        require_folder(session)
    saved = [] if session is None else [session / name for name in FILES]
    require_apart([out, *dicom.values(), *saved], [*outputs.sources(pet), *outputs.sources(ct), prompts, model])
    study = read_study(ct, pet)
    source = outputs.source_series(pet, dicom)
    # No points are no prompts, as in the challenge.
    drawn = [] if prompts is None else read_prompts(prompts, study.grid)
    if prompts is not None and not drawn:
        logger.warning("%s has no prompt: lesions are looked for without", prompts)
    _warn_of_cold(drawn, study)
    if not drawn and study.ct is not None and study.ct_share < LITTLE_COVERED:
        logger.warning("without prompts the PET alone is looked at: the CT covers too little of it")
        study = replace(study, ct=None)

    # Torch takes seconds to import: not before the input is found good.
    from sam_pet.segmenter import Segmenter

    segmenter = Segmenter.from_pretrained(model, device)
    segmenter.warn_of_weights()
    started = time.perf_counter()
    opened = segmenter.open(study)
    if not drawn:
        opened.history.actor = PROGRAM
        opened.first_answer(tracer.value)
    elif prompts is not None:
        opened.history.actor = Actor("file", sha256=file_sha256(prompts))
        for prompt in steps(drawn, "prompts"):
            opened.add(prompt)
    labels = opened.labels
    seconds = time.perf_counter() - started
    # First the mask: whatever becomes of the others, it is there.
    outputs.write_mask(labels, study.grid, out)
    if session is not None:
        opened.save(session)
    if source is not None:
        outputs.write_dicom(labels, source, dicom, segmenter.record.name, automatic=not drawn)
    voxels, lesions = int((labels > 0).sum()), opened.lesions
    result = {
        "lesions": len(lesions),
        "voxels": voxels,
        "volume_ml": round(voxels * study.grid.voxel_ml, 4),
        "seconds": round(seconds, 3),
        "model": segmenter.record.name,
        "trained": segmenter.record.trained,
        "out": str(out),
        "dicom_seg": None if dicom_seg is None else str(dicom_seg),
        "rtstruct": None if rtstruct is None else str(rtstruct),
    }
    if as_json:
        print(json.dumps(result))
    else:
        _print(result, lesions)


def _warn_of_cold(drawn: Sequence[Prompt], study: Study) -> None:
    """Say where a reader points at a place without uptake: the voxels may be of another image."""
    from sam_pet.prompts import Box

    for prompt in drawn:
        if prompt.label != "tumor" or isinstance(prompt, Box):
            continue
        x, y, z = prompt.voxels.T
        if study.pet[z, y, x].max() < _COLD_SUV:
            logger.warning(
                "the tumor prompt at voxel %s lies where the PET has hardly any uptake (SUV %.2f); "
                "check that it is of this PET, and in the order x, y, z",
                *(tuple(prompt.voxels[0].tolist()), study.pet[z, y, x].max()),
            )


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
    written = ", ".join(str(result[key]) for key in ("out", "dicom_seg", "rtstruct") if result[key] is not None)
    console.print(f"mask: {written}", highlight=False, soft_wrap=True)
