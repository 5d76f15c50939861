"""The points of a step, read leniently: what can be used is used."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sam_pet.geometry import Grid

logger = logging.getLogger(__name__)

Voxels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Points:
    """Voxels (x, y, z) drawn so far, each (n, 3); `readable` is False if the file that holds them is damaged."""

    tumor: Voxels
    background: Voxels
    readable: bool = True

    def __len__(self) -> int:
        return len(self.tumor) + len(self.background)

    def imposed(self, mask: Mask) -> Mask:
        """A mask [z, y, x] that obeys: tumor voxels are in it, background voxels are not."""
        obedient = mask.copy()
        obedient[tuple(self.tumor.T[::-1])] = 1
        obedient[tuple(self.background.T[::-1])] = 0
        return obedient


def read_points(path: Path, grid: Grid) -> Points:
    """The points in a "Multiple points" file, or in lists by label; absent or empty, there are none.

    Positions are rounded to voxels. What is not a position on the grid, or is of another name than `tumor` and
    `background`, is dropped with a warning.
    """
    if not path.is_file():
        logger.warning("there is no %s: a step without points", path)
        return _points([], grid, readable=True)
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig") or "{}")
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("%s cannot be read: %s", path, error)
        return _points([], grid, readable=False)
    items = _items(content)
    if items is None:
        logger.warning("%s is not of the form 'Multiple points'", path)
    return _points(items or [], grid, readable=items is not None)


def _items(content: Any) -> list[tuple[Any, Any]] | None:
    """Label and position of each point."""
    if content in ({}, [], None):
        return []
    if not isinstance(content, dict):
        return None
    if isinstance(content.get("points"), list):
        return [(p.get("name"), p.get("point")) if isinstance(p, dict) else (None, None) for p in content["points"]]
    if set(content) <= {"tumor", "background"} and all(isinstance(v, list) for v in content.values()):
        return [(label, voxel) for label, voxels in content.items() for voxel in voxels]
    return None


def _points(items: list[tuple[Any, Any]], grid: Grid, readable: bool) -> Points:
    drawn: dict[str, dict[tuple[int, ...], None]] = {"tumor": {}, "background": {}}
    dropped = 0
    for label, position in items:
        voxel = _voxel(position, grid)
        if voxel is None or not isinstance(label, str) or label not in drawn:
            dropped += 1
            continue
        drawn[label][voxel] = None
    if dropped:
        logger.warning("%d of %d points dropped: not on the grid, or neither tumor nor background", dropped, len(items))
    tumor, background = (np.array(list(voxels), np.int64).reshape(-1, 3) for voxels in drawn.values())
    return Points(tumor, background, readable)


def _voxel(position: Any, grid: Grid) -> tuple[int, ...] | None:
    if not isinstance(position, list) or len(position) != 3:
        return None
    if any(isinstance(v, bool) or not isinstance(v, int | float) or not abs(v) < 1e9 for v in position):
        return None
    voxel = tuple(round(v) for v in position)
    return voxel if all(0 <= v < size for v, size in zip(voxel, grid.size, strict=True)) else None
