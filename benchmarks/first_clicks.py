"""What one click makes of each lesion, by where it falls, with all parts of the model and without one at a time.

    python benchmarks/first_clicks.py --data DATA --world T --n 14 --coarsest-mm 4 --out runs/clicks.csv
                                      [--table benchmarks/results/first_clicks.json]

Cases are those of benchmarks/worlds.py, but for E. Lesions of 0.5 mL or more, the largest --most of a study, are
clicked at their innermost, their hottest and a random voxel, each click in a session of its own. Prints mean Dice by
place and missing part, and how much higher it is with the part, with the standard error over studies.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import pandas as pd
import torch
from interactive import inner_voxels
from kept import keep
from parts import without
from worlds import Plan, case_of, plans

from sam_pet.boxes import CONNECTIVITY
from sam_pet.models.loading import checkpoint_folder
from sam_pet.prompts import Click
from sam_pet.segmenter import Segmenter

SMALLEST_ML = 0.5
PARTS = ("contour", "ranker")
WHOLE = "nothing"


def places(lesion: np.ndarray, pet: np.ndarray, spacing: tuple[float, float, float], seed: int) -> dict[str, Any]:
    """Voxels (x, y, z) of a lesion [z, y, x] by how they were found."""
    inside = np.argwhere(lesion)
    hottest = inside[pet[lesion].argmax()]
    by_chance = inside[np.random.default_rng(seed).integers(len(inside))]
    (innermost,) = inner_voxels(lesion.astype(np.int64), spacing, 1)
    return {"innermost": innermost, "hottest": tuple(hottest[::-1].tolist()), "random": tuple(by_chance[::-1].tolist())}


def rows_of(plan: Plan, segmenters: dict[str, Segmenter], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    case = case_of(plan, options)
    study = case.study()
    labels = cc3d.connected_components(case.mask(study.grid), connectivity=CONNECTIVITY)
    sizes = np.bincount(labels.ravel()) * study.grid.voxel_ml
    sizes[0] = 0
    for number in np.argsort(-sizes, kind="stable")[: options.most]:
        if sizes[number] < SMALLEST_ML:
            return
        truth = labels == number
        for place, voxel in places(truth, study.pet, study.grid.spacing, plan.number).items():
            for part, segmenter in segmenters.items():
                session = segmenter.open(study)
                session.add(Click(voxel))
                mask = session.array > 0
                dice = 2 * int((mask & truth).sum()) / (int(mask.sum()) + int(truth.sum()))
                yield {"case": plan.name, "lesion": int(number), "place": place, "without": part, "dice": dice}


def summary(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """A line for each missing part and place."""
    found = []
    for place, here in rows.groupby("place", sort=False):
        dice = here.pivot(index=["case", "lesion"], columns="without", values="dice")
        for part in here["without"].unique():
            lost = dice[WHOLE] - dice[part]
            by_study = lost.groupby("case").mean()
            line = {"place": str(place), "without": str(part), "lesions": len(dice), "studies": len(by_study)}
            numbers = {"dice": dice[part].mean(), "lost": lost.mean(), "standard_error": by_study.sem()}
            found.append({**line, **{name: round(float(value), 4) for name, value in numbers.items()}})
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--world", default="T")
    parser.add_argument("--n", type=int, default=14, help="cases")
    parser.add_argument("--first", type=int, default=90000, help="first seed of world A")
    parser.add_argument("--coarsest-mm", type=float, default=0.0, help="voxels of at least so many mm: quicker")
    parser.add_argument("--model", default="default")
    parser.add_argument("--most", type=int, default=8, help="lesions of a study, the largest first")
    parser.add_argument("--out", type=Path, required=True, help="a CSV with a row for each click")
    parser.add_argument("--table", type=Path, help="a JSON file to keep the table in, beside other worlds'")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = checkpoint_folder(options.model)
        segmenters = {WHOLE: Segmenter.from_pretrained(options.model, "cpu")}
        for part in PARTS:
            segmenters[part] = Segmenter.from_pretrained(without(folder, part, Path(scratch) / part), "cpu")
        for plan in plans(options.world, options):
            rows += rows_of(plan, segmenters, options)
            print(plan.name, len(rows), flush=True)
    table = pd.DataFrame(rows)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.out, index=False)
    print(pd.DataFrame(summary(table)).to_string(index=False))
    if options.table is not None:
        keep({options.world: summary(table)}, options.table)


if __name__ == "__main__":
    main()
