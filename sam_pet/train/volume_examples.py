"""Cubes: lesions whose truth is known, with so much around them that strokes can be drawn anywhere on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cc3d
import numpy as np
import numpy.typing as npt

from sam_pet.proposers.isotropic_grid import IsotropicGrid
from sam_pet.proposers.volume_input import SIDE, WIDTHS_MM
from sam_pet.sam2.clips import Clip
from sam_pet.stored import stored_arrays
from sam_pet.study import AIR_HU, Study

# Cells along each side: a window fits into it wherever its lesion is prompted.
ROOM = 48
# A lesion is shown in a window of which it takes at least so much and at most so much along its longest side.
_NARROWEST, _WIDEST = 0.125, 1.25


@dataclass(frozen=True)
class Cube:
    """Cells [z, y, x] of `mm`: CT in HU (or None), PET in SUV, and the share of each that is lesion; `ml` in all."""

    ct: npt.NDArray[np.int16] | None
    pet: npt.NDArray[np.float16]
    truth: npt.NDArray[np.float16]
    mm: float
    ml: float


def training_cubes(
    study: Study, labels: npt.NDArray[np.integer], rng: np.random.Generator, most: int = 14, smallest_ml: float = 0.25
) -> Iterator[Cube]:
    """The cubes of a study's lesions, one for each width of window that suits a lesion.

    Args:
        study: the study.
        labels: numbers of lesions in the axial view [z, y, x], 0 elsewhere.
        rng: draws which lesions are taken.
        most: so many.
        smallest_ml: lesions below are left out.
    """
    found = cc3d.statistics(np.ascontiguousarray(labels))
    spacing = np.asarray(study.frame_spacing)
    volumes = found["voxel_counts"] * study.grid.voxel_ml
    large = [n for n in range(1, len(volumes)) if volumes[n] >= smallest_ml]
    for number in rng.permutation(large)[:most].tolist():
        box = found["bounding_boxes"][number][::-1]
        middle = np.array([(part.start + part.stop - 1) / 2 for part in box])
        longest = float((np.array([part.stop - part.start for part in box]) * spacing).max())
        for width in WIDTHS_MM:
            if (longest >= _NARROWEST * width or width == WIDTHS_MM[0]) and longest <= _WIDEST * width:
                yield _cube(study, labels == number, middle, width / SIDE, float(volumes[number]))


def _cube(study: Study, mask: npt.NDArray[np.bool_], middle: npt.NDArray[np.float64], mm: float, ml: float) -> Cube:
    sx, sy, sz = study.frame_spacing
    half, z = int(np.ceil(ROOM * mm / 2 / sz)), round(float(middle[2]))
    first, last = max(z - half, 0), min(z + half, len(study.axial_pet) - 1)
    cells = IsotropicGrid(Clip((float(middle[0]), float(middle[1])), ROOM * mm, ROOM, (sx, sy), first, last), ROOM, sz)
    ct = None if study.axial_ct is None else cells.sample(study.axial_ct, AIR_HU).astype(np.int16)
    truth = cells.sample(mask.astype(np.float32), 0.0)
    return Cube(ct, cells.sample(study.axial_pet, 0.0).astype(np.float16), truth.astype(np.float16), mm, ml)


def save_cubes(cubes: Sequence[Cube], path: Path) -> None:
    arrays: dict[str, Any] = {}
    for number, cube in enumerate(cubes):
        arrays |= {f"pet{number}": cube.pet, f"truth{number}": cube.truth}
        if cube.ct is not None:
            arrays[f"ct{number}"] = cube.ct
    with path.open("wb") as stream:
        np.savez_compressed(stream, mm=[cube.mm for cube in cubes], ml=[cube.ml for cube in cubes], **arrays)


def load_cubes(path: Path) -> list[Cube]:
    with stored_arrays(path) as held:
        return [
            Cube(held.get(f"ct{n}"), held[f"pet{n}"], held[f"truth{n}"], float(mm), float(ml))
            for n, (mm, ml) in enumerate(zip(held["mm"], held["ml"], strict=True))
        ]
