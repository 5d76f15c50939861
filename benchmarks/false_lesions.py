"""What background strokes make of the lesions of first answers, false and true ones, by kind of stroke.

    python benchmarks/false_lesions.py --data DATA --out runs/false.jsonl --world T --n 16 --coarsest-mm 4

First answers of studies of benchmarks/worlds.py, with a bar so low that there are false lesions. On each lesion alone
the challenge's reader draws two strokes, where what it draws is background: of false lesions the share that is gone
after one and after two, of true ones the share that is lost, and Dice. Lines go to OUT, the table is printed.
"""

from __future__ import annotations

import argparse
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import torch
from kept import keep
from worlds import Plan, case_of, plans

from sam_pet.boxes import CONNECTIVITY
from sam_pet.detection.detect import AUTO, first_answer
from sam_pet.proposers.lesion import Lesion
from sam_pet.readers.scribbles import STRATEGIES
from sam_pet.segmenter import Segmenter
from sam_pet.session.engine import LesionSegmenter
from sam_pet.train.simulated_prompts import correction

STROKES = 2


def stroked(tracker: LesionSegmenter, lesion: Lesion, truth: np.ndarray, strategy: str) -> list[float]:
    """The Dice before and after each stroke: of what is no lesion 1 once it is gone."""

    def dice(one: Lesion) -> float:
        size, total = int(one.block.values.sum()), int(truth.sum())
        return 2 * int(truth[one.block.slices][one.block.values].sum()) / (size + total) if size + total else 1.0

    curve, background = [dice(lesion)], np.zeros((0, 3), np.int64)
    for _ in range(STROKES):
        stroke = correction(lesion.block, truth, strategy)
        if stroke is None or stroke.label == "tumor":
            break
        background = np.concatenate([background, stroke.voxels])
        (lesion,) = tracker.extend([lesion], stroke, background)
        curve.append(dice(lesion))
    return curve


def run(plan: Plan, options: argparse.Namespace) -> list[dict[str, Any]]:
    torch.set_num_threads(1)
    case = case_of(plan, options)
    study = case.study()
    segmenter = Segmenter.from_pretrained(options.model)
    assert segmenter.lesion_classifier is not None
    tracker = segmenter.tracker(study)
    truth = np.ascontiguousarray(study.order.view(case.mask(study.grid)))
    labels = cc3d.connected_components(truth, connectivity=CONNECTIVITY)
    rows = []
    for number, lesion in enumerate(first_answer(tracker, segmenter.lesion_classifier.with_bar(options.bar), AUTO)):
        touched = np.unique(labels[lesion.block.slices][lesion.block.values])
        meant = np.isin(labels, touched[touched > 0])
        for strategy in STRATEGIES:
            curve = stroked(tracker, lesion, meant, strategy)
            if len(curve) > 1:
                rows.append(
                    {
                        "world": plan.world,
                        "case": plan.name,
                        "lesion": number,
                        "false": not meant.any(),
                        "strategy": strategy,
                        "dice": [round(value, 4) for value in curve],
                    }
                )
    return rows


def summarise(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares and means by strategy."""
    table = {}
    for false in (True, False):
        for strategy in STRATEGIES:
            curves = [r["dice"] for r in rows if r["false"] == false and r["strategy"] == strategy]
            if not curves:
                continue
            ended = 1.0 if false else 0.0
            gone = [[ended in curve[1 : 1 + n] for curve in curves] for n in range(1, STROKES + 1)]
            table[f"{'false' if false else 'true'}, {strategy}"] = {
                "lesions": len(curves),
                "gone_after": [round(float(np.mean(share)), 3) for share in gone],
                "dice": [round(float(np.mean([c[min(n, len(c) - 1)] for c in curves])), 3) for n in range(STROKES + 1)],
            }
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--world", nargs="+", default=["T"])
    parser.add_argument("--n", type=int, default=8, help="cases of each world")
    parser.add_argument("--first", type=int, default=90000, help="first seed of world A")
    parser.add_argument("--model", default="default")
    parser.add_argument("--bar", type=float, default=0.2, help="probability from which a candidate is a lesion")
    parser.add_argument("--coarsest-mm", type=float, default=0.0, help="voxels of at least so many mm: quicker")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--table", type=Path, help="a JSON file to keep the table in, beside other worlds'")
    options = parser.parse_args()
    wanted = [plan for world in options.world for plan in plans(world, options)]
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    with ProcessPoolExecutor(options.jobs) as pool, options.out.open("w", encoding="utf-8") as stream:
        for plan, found in zip(wanted, pool.map(run, wanted, [options] * len(wanted)), strict=True):
            rows += found
            stream.writelines(json.dumps(row) + "\n" for row in found)
            print(plan.world, plan.name[:40], len(found), file=sys.stderr, flush=True)
    table = {world: summarise([row for row in rows if row["world"] == world]) for world in options.world}
    print(json.dumps(table, indent=1))
    if options.table is not None:
        keep({world: {"cases": options.n, "bar": options.bar, **one} for world, one in table.items()}, options.table)


if __name__ == "__main__":
    main()
