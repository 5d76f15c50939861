"""`sam-pet simulate`: one corrective scribble, as the challenge's reader would draw it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def simulate(
    prediction: Annotated[Path, typer.Option(help="Predicted mask of 0 and 1 (MHA, NIfTI or NRRD).")],
    truth: Annotated[Path, typer.Option(help="Reference mask on the same grid.")],
    strategy: Annotated[str, typer.Option(help="centerline, random or boundary.")],
    seed: Annotated[int, typer.Option(help="Of the random draws; the challenge uses 42 at every step.")] = 42,
    out: Annotated[
        Path | None, typer.Option(help="Write the stroke as a points JSON, for `segment --prompts`.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Draw the next corrective scribble on a prediction's largest error."""
    from sam_pet.files import require_apart, require_file_name, write_json
    from sam_pet.masks import read_mask, require_same_grid
    from sam_pet.prompt_files import points
    from sam_pet.readers.scribbles import draw_scribble, known_strategy

    known_strategy(strategy)
    if out is not None:
        require_file_name(out)
        require_apart([out], [prediction, truth])
    predicted, grid = read_mask(prediction, "prediction")
    true, true_grid = read_mask(truth, "truth")
    require_same_grid(grid, true_grid, "prediction", "truth")
    stroke = draw_scribble(predicted, true, strategy, seed)
    label = None if stroke is None else stroke.label
    voxels = [] if stroke is None else stroke.voxels.tolist()
    if out is not None:
        write_json(points([] if stroke is None else [stroke.prompt]), out)
    if as_json:
        print(json.dumps({"label": label, "points": voxels, "strategy": strategy, "seed": seed}))
        return
    _print_table(label, voxels)


def _print_table(label: str | None, voxels: list[list[int]]) -> None:
    from rich.console import Console
    from rich.table import Table

    if label is None:
        Console().print("nothing to correct: no error, or an empty truth")
        return
    table = Table(title=f"{label} scribble of {len(voxels)} voxels")
    for axis in "xyz":
        table.add_column(axis, justify="right")
    for voxel in voxels:
        table.add_row(*map(str, voxel))
    Console().print(table)
