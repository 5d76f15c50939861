"""What adapters are worth: no training, LoRA on the trunk, LoRA on all parts, and full fine-tuning, on one recipe.

    python benchmarks/adapters.py finetune/sts_lora.yaml --out runs/adapters --full-lr 4e-4 [key=value ...]

Every variant starts from the recipe's base, sees the same clips in the same order, and is judged on the recipe's
validation cases: Dice after one click and after the last of the reader's scribbles. Prints a table in Markdown and
writes it, as table.md and table.csv, into OUT. What is done is not run again.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
from pathlib import Path

import pandas as pd
import torch
from kept import keep

from sam_pet.errors import InputError, reported
from sam_pet.models.loading import load_model
from sam_pet.segmenter import Segmenter
from sam_pet.train.data import example_store, validation_cases
from sam_pet.train.recipe import Recipe, read_recipe
from sam_pet.train.tracker import finetune
from sam_pet.train.validate import interactive_dice

_ALL_PARTS = "lora.targets=[trunk, memory_attention, memory_encoder, mask_decoder]"
VARIANTS = {
    "LoRA, trunk": ["mode=lora", "lora.targets=[trunk]"],
    "LoRA, trunk + memory + decoder": ["mode=lora", _ALL_PARTS],
    "full": ["mode=full"],
}


def trained(recipe: Recipe) -> dict[str, float]:
    """Train a variant; its share of trained parameters, median seconds a step, and the size of what it stores."""
    finetune(recipe)
    lines = [json.loads(line) for line in (recipe.out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    size = sum(p.stat().st_size for p in (recipe.out / "checkpoint").glob("*.safetensors"))
    return {
        "trained_percent": 100 * lines[0]["trained_parameters"] / lines[0]["parameters"],
        "seconds_a_step": statistics.median(line["seconds"] for line in lines if "seconds" in line),
        "stored_mb": size / 1e6,
    }


def judged(model: str, recipe: Recipe) -> dict[str, float]:
    """Mean Dice over the validation cases after the click and after the last scribble."""
    if recipe.validation is None:
        raise InputError("adapters: the recipe has no validation cases to judge by")
    segmenter = Segmenter(load_model(model, recipe.image_size), "cpu" if not torch.cuda.is_available() else "cuda")
    scribbles = recipe.validation.scribbles
    cases = validation_cases(recipe.validation, example_store(recipe))
    curves = [curve for case in cases if (curve := interactive_dice(case, segmenter, scribbles))]
    return {
        "dice_click": statistics.fmean(curve[0] for curve in curves),
        f"dice_{scribbles}_scribbles": statistics.fmean(curve[-1] for curve in curves),
    }


def row(name: str, recipe: Recipe) -> dict[str, str | float]:
    if name == "none":
        return {"variant": name, **judged(recipe.base, recipe)}
    return {"variant": name, **trained(recipe), **judged(str(recipe.out / "checkpoint"), recipe)}


def table(recipe_file: Path, changes: list[str], out: Path, full_lr: float | None = None) -> pd.DataFrame:
    rows = []
    for name, settings in {"none": [], **VARIANTS}.items():
        if name == "full" and full_lr is not None:
            settings = [*settings, f"optimization.lr={full_lr}"]
        folder = out / "-".join(re.findall(r"\w+", name)).lower()
        held = folder / "row.json"
        if not held.is_file():
            result = row(name, read_recipe(recipe_file, [*changes, *settings, f"out={folder}"]))
            folder.mkdir(parents=True, exist_ok=True)
            held.write_text(json.dumps(result), encoding="utf-8")
        rows.append(json.loads(held.read_text(encoding="utf-8")))
    return pd.DataFrame(rows)


def markdown(frame: pd.DataFrame) -> str:
    digits = {"trained_percent": 1, "seconds_a_step": 2, "stored_mb": 2}
    lines = ["| " + " | ".join(frame.columns) + " |", "| --- " + "| ---: " * (len(frame.columns) - 1) + "|"]
    for record in frame.to_dict("records"):
        cells = [
            value if isinstance(value, str) else "-" if pd.isna(value) else f"{value:.{digits.get(str(name), 3)}f}"
            for name, value in record.items()
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", type=Path)
    parser.add_argument("changes", nargs="*", help="key=value, part.key=value: values of the recipe changed")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--full-lr", type=float, help="learning rate of full fine-tuning; else the recipe's")
    parser.add_argument("--table", type=Path, help="a JSON file to keep the table in")
    options = parser.parse_intermixed_args()
    with reported("adapters"):
        frame = table(options.recipe, options.changes, options.out, options.full_lr)
    frame.to_csv(options.out / "table.csv", index=False)
    (options.out / "table.md").write_text(markdown(frame) + "\n", encoding="utf-8")
    print(markdown(frame))
    if options.table is not None:
        keep({"variants": json.loads(frame.to_json(orient="records"))}, options.table)


if __name__ == "__main__":
    main()
