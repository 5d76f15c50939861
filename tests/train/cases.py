"""A small folder of cases to train on, and recipes for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sam_pet.files import write_image
from sam_pet.train.recipe import Recipe
from tests.fakes import two_lesion_study


def write_cases(folder: Path, count: int = 2) -> Path:
    """Folder-per-case copies of the two-lesion study, each a little hotter than the last."""
    for number in range(count):
        write_case(folder / f"case {number}", 1 + 0.1 * number)
    return folder


def write_case(case: Path, uptake: float = 1.0) -> None:
    """The two-lesion study as a case; the truth is what is hot."""
    study = two_lesion_study()
    assert study.ct is not None
    write_image(study.grid.image(study.pet * np.float32(uptake)), case / "SUV.nii.gz")
    write_image(study.grid.image(study.ct), case / "CTres.nii.gz")
    write_image(study.grid.image((study.pet > 5).astype(np.uint8)), case / "SEG.nii.gz")


def recipe(cases: Path, out: Path, **changes: Any) -> Recipe:
    settings: dict[str, Any] = {
        "name": "tiny run",
        "out": out,
        "base": "nano-untrained",
        "image_size": 64,
        "train": [{"folder": cases}],
        "stages": [{"steps": 2, "batch": 2, "length": 1}, {"steps": 2, "batch": 2, "length": 3, "corrections": 1}],
        "optimization": {"lr": 1e-3, "warmup": 1},
        "workers": 0,
        "save_every": 1,
    }
    return Recipe.model_validate({**settings, **changes})
