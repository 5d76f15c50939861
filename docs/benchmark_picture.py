"""The picture of docs/benchmark.md: mean Dice over the steps, by method, from a report's CSV.

python docs/benchmark_picture.py docs/benchmark_sts.csv docs/benchmark.png
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd

from sam_pet.plots import dice_curves, png


def main(table: str, picture: str) -> None:
    means = pd.read_csv(table).pivot_table(index="method", columns="step", values="dice")
    ranked = means.loc[means.mean(axis=1).sort_values(ascending=False).index]
    curves = {str(name): row.tolist() for name, row in ranked.iterrows()}
    Path(picture).write_bytes(png(dice_curves(curves, score="mean Dice")))


if __name__ == "__main__":
    main(*sys.argv[1:])
