"""What each part of a checkpoint is worth: the model on cases with all its parts, and without one at a time.

    python benchmarks/parts.py --cases data/sts --names STS_021,STS_022 --start click --out runs/parts
                               [--model default] [--workers 1] [--table benchmarks/results/parts.json]

Prints a table and writes it, as table.csv, into OUT: mean Dice at step 0 and after five of the challenge's strokes,
AUC-Dice and AUC-DMM, and how much higher AUC-Dice is with the part, with the standard error over cases. What is done is
not run again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
from pathlib import Path

import pandas as pd
from kept import keep

from sam_pet.files import write_json
from sam_pet.models.loading import checkpoint_folder
from sam_pet.models.manifest import RECORD
from sam_pet.scores import area_under

_ALL = "all parts"


def without(model: Path, part: str, out: Path) -> Path:
    """A copy of a checkpoint that lacks a part, and what cannot be used without it."""
    record = json.loads((model / RECORD).read_text(encoding="utf-8"))
    gone = {part, *({"judge"} if part == "appearance" else ())}
    files = {record["parts"].pop(name)["file"] for name in gone if name in record["parts"]}
    shutil.copytree(model, out, ignore=lambda *_: files, dirs_exist_ok=True)
    write_json(record, out / RECORD)
    return out


def table(results: Path, names: dict[str, str]) -> pd.DataFrame:
    """A row for each model, from the report of an evaluation; `names` are what methods are called."""
    rows = pd.read_csv(results / "report.csv")
    order = rows.sort_values("step").groupby(["method", "case"])
    auc = {score: order[score].agg(lambda steps: area_under(steps.tolist())) for score in ("dice", "dmm")}
    whole = next(method for method, name in names.items() if name == _ALL)
    found = []
    for method, name in names.items():
        dice = rows[rows["method"] == method].pivot(index="case", columns="step", values="dice")
        lost = auc["dice"][whole] - auc["dice"][method]
        found.append(
            {
                "without": name,
                "dice_first": dice.iloc[:, 0].mean(),
                "dice_last": dice.iloc[:, -1].mean(),
                "auc_dice": auc["dice"][method].mean(),
                "auc_dmm": auc["dmm"][method].mean(),
                "lost": lost.mean(),
                "standard_error": lost.sem(),
            }
        )
    return pd.DataFrame(found).round(3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--names")
    parser.add_argument("--start", choices=("nothing", "click"), default="click")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default="default")
    parser.add_argument("--workers", default="1")
    parser.add_argument("--table", type=Path, help="a JSON file to keep the table in")
    options = parser.parse_args()
    folder = checkpoint_folder(options.model)
    names = {f"sam-pet:{options.model}": _ALL}
    for part in json.loads((folder / RECORD).read_text(encoding="utf-8"))["parts"]:
        names[f"sam-pet:{without(folder, part, options.out / 'models' / part)}"] = part
    command = ["sam-pet", "evaluate", "--cases", str(options.cases), "--out", str(options.out / "results")]
    command += ["--reader", "scribble-mixed", "--start", options.start, "--workers", options.workers]
    command += ["--names", options.names] if options.names else []
    subprocess.run([*command, *(word for name in names for word in ("--method", name))], check=True)
    found = table(options.out / "results", names)
    found.to_csv(options.out / "table.csv", index=False)
    print(found.to_string(index=False))
    if options.table is not None:
        keep({row.pop("without"): row for row in json.loads(found.to_json(orient="records"))}, options.table)


if __name__ == "__main__":
    main()
