"""`sam-pet score`: a mask against the reference."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

_ROWS = {
    "dice": "Dice",
    "dmm": "DMM (lesion F1)",
    "tp": "lesions found",
    "fp": "lesions made up",
    "fn": "lesions missed",
    "fpv_ml": "FPV, mL",
    "fnv_ml": "FNV, mL",
    "nsd_2mm": "NSD at 2 mm",
    "hd95_mm": "HD95, mm",
    "volume_ml": "volume (TMTV), mL",
    "true_volume_ml": "true volume, mL",
    "tmtv_error_ml": "TMTV error, mL",
    "volume_bias": "volume bias, relative",
    "suv_mean_error": "SUVmean error, relative",
    "tlg_error": "TLG error, relative",
}


def score(
    prediction: Annotated[Path, typer.Option(help="Predicted mask of 0 and 1 (MHA, NIfTI or NRRD).")],
    truth: Annotated[Path, typer.Option(help="Reference mask on the same grid.")],
    pet: Annotated[
        Path | None, typer.Option(help="PET in SUV on the same grid, for the errors of SUVmean and TLG.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", metavar="", help="Print one JSON object; undefined scores are null.")
    ] = False,
) -> None:
    """Score a mask: Dice, lesion F1, false volumes, surface distances, volume and uptake errors."""
    from sam_pet import scores
    from sam_pet.masks import read_mask, require_same_grid
    from sam_pet.study import read_study

    predicted, grid = read_mask(prediction, "prediction")
    true, true_grid = read_mask(truth, "truth")
    require_same_grid(grid, true_grid, "prediction", "truth")
    uptake = None
    if pet is not None:
        study = read_study(ct=None, pet=pet)
        require_same_grid(study.grid, true_grid, "PET", "truth")
        uptake = study.pet
    found = scores.score(predicted, true, true_grid.spacing, uptake).as_dict()
    if as_json:
        print(json.dumps(found))
    else:
        _print_table(found)


def _print_table(found: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("score", show_header=False)
    table.add_column(justify="right")
    for key, name in _ROWS.items():
        value = found[key]
        table.add_row(
            name, "undefined" if value is None else f"{value:d}" if isinstance(value, int) else f"{value:.4f}"
        )
    Console().print(table)
