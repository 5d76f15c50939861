"""`sam-pet trajectories`: episodes of an expert, for those who train agents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def trajectories(
    cases: Annotated[Path, typer.Option(help="Folder of cases: nnU-Net layout, or a folder a case.")],
    out: Annotated[Path, typer.Option(help="New folder for trajectories.jsonl, pictures and a data card.")],
    names: Annotated[str | None, typer.Option(help="Only these cases, names separated by commas.")] = None,
    lesions: Annotated[int, typer.Option(min=1, help="At most so many lesions of a case, drawn by the seed.")] = 3,
    turns: Annotated[int, typer.Option(min=1, max=50, help="At most so many turns an episode.")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="Of lesions, windows and places in the picture.")] = 0,
    model: Annotated[str, typer.Option(help="As for `segment`.")] = "default",
    device: Annotated[str, typer.Option(help="As for `segment`.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", metavar="", help="Print one JSON object.")] = False,
) -> None:
    """Write whole episodes of an expert who knows the truth: box first, then points on the largest error."""
    from rich.console import Console

    from sam_pet.cases import find_cases
    from sam_pet.files import require_folder

    require_folder(out)
    found = find_cases(cases, None if names is None else [name for name in names.split(",") if name])

    from sam_pet.agent.trajectories import EpisodeSettings
    from sam_pet.agent.write_trajectories import write_trajectories
    from sam_pet.segmenter import Segmenter

    segmenter = Segmenter.from_pretrained(model, device)
    segmenter.warn_of_weights()
    watching = Console(stderr=True)

    def report(case: str, made: int) -> None:
        if watching.is_terminal:
            watching.print(f"{case}: {made} episodes", highlight=False)

    result = write_trajectories(found, segmenter, EpisodeSettings(lesions, turns, seed), out, report)
    if as_json:
        print(json.dumps(result))
        return
    Console().print(
        f"{result['episodes']} episodes, {result['turns']} turns, mean Dice {result['dice']}: {result['out']}",
        highlight=False,
        soft_wrap=True,
    )
