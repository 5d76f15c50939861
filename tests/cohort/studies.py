"""Small studies on disk: seconds of work for a dozen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from sam_pet.files import write_image
from sam_pet.geometry import Grid

MODEL = "nano-untrained"


def write_studies(root: Path, count: int) -> list[str]:
    """`count` studies of a hot ball each, with a click on it; no two are alike."""
    grid = Grid((24, 24, 12), (5.0, 5.0, 5.0))
    z, y, x = np.mgrid[:12, :24, :24]
    names = []
    for number in range(count):
        centre = (8 + number % 8, 8 + number // 8 % 8, 6)
        pet = np.full(grid.shape, 0.8, np.float32)
        pet[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2 < 6] = 8.0 + number / 100
        folder = root / f"S{number}"
        folder.mkdir(parents=True)
        write_image(grid.image(pet), folder / "SUV.nii.gz")
        (folder / "prompts.json").write_text(json.dumps({"tumor": [list(centre)], "background": []}))
        names.append(folder.name)
    return names


def damaged(path: Path) -> None:
    """Cut a file short."""
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
