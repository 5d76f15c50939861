"""Case folders with hot balls for lesions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from tests.methods.studies import GRID, ball, study

TRUTH = ball((12, 11, 8), 12.0)


def write_case(folder: Path, truth: np.ndarray = TRUTH, pet: np.ndarray | None = None, grid=GRID) -> Path:
    """A folder with CTres, SUV and SEG; the PET is hot where the truth is, and in a rim of 4 mm around it."""
    folder.mkdir(parents=True)
    here = study((ball((12, 11, 8), 16.0), 10.0))
    for name, array, its_grid in (
        ("CTres", here.ct + np.linspace(-200, 200, GRID.shape[0])[:, None, None].astype(np.float32), GRID),
        ("SUV", here.pet if pet is None else pet, GRID),
        ("SEG", truth.astype(np.uint8), grid),
    ):
        sitk.WriteImage(its_grid.image(array), folder / f"{name}.nii.gz")
    return folder
