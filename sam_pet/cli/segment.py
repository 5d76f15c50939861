"""`sam-pet segment`: a PET/CT and a file of prompts in, a 3-D mask out."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer


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
    first_answer: Annotated[
        Path | None,
        typer.Option(help="Start from a mask, lesion numbers or a probability made elsewhere; prompts correct it."),
    ] = None,
    detector: Annotated[
        Path | None, typer.Option(help="Start from what a folder trained by nnU-Net v2 finds; prompts correct it.")
    ] = None,
    folds: Annotated[str | None, typer.Option(help="Of the detector, such as 0,1 or all; else those there.")] = None,
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
    from sam_pet.audit.seal import require_own
    from sam_pet.errors import InputError
    from sam_pet.files import require_apart, require_folder, require_image_name
    from sam_pet.measures import lesion_rows
    from sam_pet.requests import read_request
    from sam_pet.session.files import FILES, MASK, SESSION

    require_image_name(out)
    dicom = {kind: path for kind, path in (("SEG", dicom_seg), ("RTSTRUCT", rtstruct)) if path is not None}
    outputs.require_dicom_names(dicom)
    if session is not None:
        require_folder(session)
        require_own(session, SESSION)
    # The session's own mask may be the one that is asked for.
    saved = [] if session is None else [session / name for name in FILES if session / name != out or name != MASK]
    if detector is not None and first_answer is not None:
        raise InputError("--detector and --first-answer both say what is there at first; give one of them")
    if folds is not None and detector is None:
        raise InputError("--folds are those of a detector; give --detector, or leave them out")
    read = [*outputs.sources(pet), *outputs.sources(ct), prompts, model, first_answer, detector]
    require_apart([out, *dicom.values(), *saved], read)
    elsewhere = detector is not None or first_answer is not None
    request = read_request(pet, ct, prompts, found_elsewhere=elsewhere)
    source = outputs.source_series(pet, dicom)

    # Torch takes seconds to import: not before the input is found good.
    from sam_pet.detection.answer_file import AnswerFile
    from sam_pet.detection.detector import Detector
    from sam_pet.detection.nnunet import open_detector
    from sam_pet.segmenter import Segmenter

    segmenter = Segmenter.from_pretrained(model, device)
    segmenter.warn_of_weights()
    started = time.perf_counter()
    finder: Detector | None = None
    if first_answer is not None:
        finder = AnswerFile(first_answer)
    elif detector is not None:
        finder = open_detector(detector, folds, str(segmenter.core.device))
    answered = request.answered(segmenter, tracer.value, finder, watched=True)
    labels = answered.labels
    seconds = time.perf_counter() - started
    # First the mask: whatever becomes of the others, it is there.
    outputs.write_mask(labels, request.study.grid, out)
    if session is not None:
        answered.save(session)
    if source is not None:
        outputs.write_dicom(labels, source, dicom, segmenter.record.name, automatic=not request.prompts)
    voxels, lesions = int((labels > 0).sum()), lesion_rows(labels, request.study.pet, request.study.grid)
    result = {
        "lesions": len(lesions),
        "voxels": voxels,
        "volume_ml": round(voxels * request.study.grid.voxel_ml, 4),
        "seconds": round(seconds, 3),
        "model": segmenter.record.name,
        "trained": segmenter.record.trained,
        "detector": answered.state.detector,
        "out": str(out),
        "dicom_seg": None if dicom_seg is None else str(dicom_seg),
        "rtstruct": None if rtstruct is None else str(rtstruct),
    }
    if as_json:
        print(json.dumps(result))
    else:
        _print(result, lesions)


def _print(result: dict[str, Any], lesions: list[dict[str, float]]) -> None:
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
    for row in lesions:
        table.add_row(*(f"{row[name]:.4g}" for name in columns))
    console = Console()
    console.print(table)
    written = ", ".join(str(result[key]) for key in ("out", "dicom_seg", "rtstruct") if result[key] is not None)
    console.print(f"mask: {written}", highlight=False, soft_wrap=True)
