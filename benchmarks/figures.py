"""The few figures of a benchmark's results that README and docs show, as a small file to keep.

python benchmarks/figures.py RESULTS benchmarks/results/sts.json

RESULTS is the `--out` of `sam-pet evaluate`. Means are over cases.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from kept import keep

from sam_pet.scores import area_under


def figures(results: Path) -> dict[str, Any]:
    """What a run was, and by method the mean scores of each step."""
    rows = pd.read_csv(results / "report.csv")
    manifest = json.loads((results / "manifest.json").read_text(encoding="utf-8"))
    methods = {}
    for name, own in rows.groupby("method", sort=False):
        dice, dmm = (own.pivot(index="case", columns="step", values=score) for score in ("dice", "dmm"))
        methods[str(name)] = {
            "dice": [round(float(v), 4) for v in dice.mean()],
            "dmm": [round(float(v), 4) for v in dmm.mean()],
            "auc_dice": round(float(dice.apply(lambda row: area_under(row.tolist()), axis=1).mean()), 3),
            "auc_dmm": round(float(dmm.apply(lambda row: area_under(row.tolist()), axis=1).mean()), 3),
            "worst_click": round(float(dice[0].min()), 4),
        }
    return {
        "manifest": {key: value for key, value in manifest.items() if key in ("protocol", "versions", "methods")},
        "cases": sorted(rows["case"].unique()),
        "methods": methods,
    }


def main(results: Path, out: Path) -> None:
    keep(figures(results), out)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
