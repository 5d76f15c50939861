"""Trajectories as a folder: a line of JSON an episode, pictures, and a card that says what it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import sam_pet
from sam_pet.agent.trajectories import PROGRESS, TURN_COST, EpisodeSettings, episodes
from sam_pet.cases import Case
from sam_pet.errors import InputError
from sam_pet.files import file_sha256, replacing
from sam_pet.segmenter import Segmenter

EPISODES, CARD = "trajectories.jsonl", "README.md"


def write_trajectories(
    cases: Sequence[Case],
    segmenter: Segmenter,
    settings: EpisodeSettings,
    out: Path,
    report: Callable[[str, int], None] = lambda *_: None,
) -> dict[str, Any]:
    """Make the episodes of all cases; the same arguments give the same bytes.

    Args:
        out: a new or empty folder: gets `trajectories.jsonl`, `pictures/` and `README.md`, the card.
        report: called with each case's name and how many episodes it gave.

    Returns:
        `episodes`, `turns`, mean `dice` and `reward`, and the path of the file.

    Raises:
        InputError: the folder is not empty, or a case cannot be used.
    """
    if out.is_dir() and any(out.iterdir()):
        raise InputError(f"trajectories: {out} is not empty; give another --out")
    made: list[dict[str, Any]] = []
    for case in cases:
        found = list(episodes(case, segmenter, settings, out))
        made += found
        report(case.name, len(found))
    with replacing(out / EPISODES) as temporary:
        temporary.write_text("".join(json.dumps(one) + "\n" for one in made), encoding="utf-8")
    with replacing(out / CARD) as temporary:
        temporary.write_text(_card(cases, segmenter, settings, made), encoding="utf-8")
    return {
        "episodes": len(made),
        "turns": sum(len(one["steps"]) - 1 for one in made),
        "dice": _mean([one["dice"] for one in made]),
        "reward": _mean([one["reward"] for one in made]),
        "out": str(out / EPISODES),
    }


def _mean(values: list[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None


def _card(cases: Sequence[Case], segmenter: Segmenter, settings: EpisodeSettings, made: list[dict[str, Any]]) -> str:
    turns = [len(one["steps"]) - 1 for one in made]
    hashes = "\n".join(f"| {case.name} | `{file_sha256(case.pet)}` |" for case in cases)
    means = {key: _mean([float(one[key]) for one in made]) for key in ("dice", "overshoot")}
    return f"""# Expert trajectories of interactive PET/CT segmentation

{len(made)} episodes of {len(cases)} cases, {sum(turns)} turns. Means: Dice at the end {means["dice"]}, turns \
{_mean([float(n) for n in turns])}, overshoot {means["overshoot"]}.

## What it is
`{EPISODES}` holds an episode a line: one lesion from nothing to a mask. Each of its `steps` has a `look`, the \
`picture` that this look gave, an action (`tool` and `arguments`, points from 0 to 999 of that picture), the \
`new_picture`, the `voxels` that were drawn (x, y, z on the PET grid), the `iou` after it, its `gain` in IoU, and its \
`reward`. The last step is `stop`. Tools and arguments are those of `sam-pet mcp` and `agent:llm`.

## How it was made
- By sam_pet {sam_pet.__version__}, model `{segmenter.record.name}` (SHA-256 `{segmenter.sha256}`), from masks that \
the expert knows: a box round the lesion's largest cross-section, then points on the largest error.
- A point that gains less IoU than {TURN_COST} is taken back, and the episode stops.
- Reward of a turn: {PROGRESS} x gain in IoU - {TURN_COST}. Of the stop: IoU - (best IoU - last IoU).
- At most {settings.lesions} lesions a case and {settings.turns} turns, seed {settings.seed}. The seed draws lesions, \
windows, widths and where the lesion lies in the picture. The same cases, model and seed give the same bytes.

## What it is not
- The expert sees the truth. An agent that imitates it is not thereby able to find lesions.
- Each episode knows one lesion; other lesions in the picture are not outlined.
- Gains are those of this model: another one answers to the same points otherwise.

## To be said by who publishes it
Licence and source of the cases, whether they are simulated, and whether names of cases may be told: this program does \
not know. The pictures show the studies; whoever may not share these may not share the pictures.

| case | SHA-256 of the PET |
| --- | --- |
{hashes}
"""
