"""What nnU-Net v2 leaves where it has trained: plans, the description of the data, a folder a fold."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sam_pet.errors import InputError, one_line

PLANS, DATASET, WEIGHTS = "plans.json", "dataset.json", "checkpoint_final.pth"
_FOLD = re.compile(r"fold_(\d+|all)")


def is_nnunet(folder: Path) -> bool:
    """Whether a folder looks like one that nnU-Net v2 has trained."""
    return (folder / PLANS).is_file() and any(_FOLD.fullmatch(p.name) for p in folder.glob("fold_*"))


def read_table(path: Path, folder: Path) -> dict[str, Any]:
    """The content of a JSON file of the folder.

    Raises:
        InputError: it is missing, or no table.
    """
    if not path.is_file():
        raise InputError(
            f"detector: {folder} has no {path.name}; give the folder that nnU-Net v2 has trained, with {PLANS}, "
            f"{DATASET} and fold_0"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"detector: {path} is not JSON ({one_line(error)[:100]}); copy it again") from error
    if not isinstance(content, dict):
        raise InputError(f"detector: {path} holds no table; copy it again")
    return content


def fold_files(folder: Path, folds: Sequence[str] | None) -> tuple[Path, ...]:
    """The weights of folds such as ("0", "1"); None for all numbered ones that are there, or `fold_all`.

    Raises:
        InputError: one of them is missing, or there is none.
    """
    there = sorted(p.name.removeprefix("fold_") for p in folder.glob("fold_*") if (p / WEIGHTS).is_file())
    numbered = [name for name in there if name.isdecimal()]
    wanted = (numbered or there) if folds is None else list(folds)
    missing = next((name for name in wanted if name not in there), None)
    if missing is not None or not wanted:
        fault = "no fold" if missing is None else f"no fold {missing}"
        known = ", ".join(there) or "none"
        raise InputError(
            f"detector: {folder} has {fault} with a {WEIGHTS} (folds that are there: {known}); train or copy it"
        )
    return tuple(folder / f"fold_{name}" / WEIGHTS for name in wanted)
