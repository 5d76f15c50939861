"""Scenes of many studies side by side on a device, and windows on all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sam_pet.detection.coarse_study import CELL_MM, COARSER, HU_STEP, LOWEST, CoarseStudy

SIDE = 16
CHANNELS = 4
_SOFT_CENTRE, _SOFT_HALF, _WIDE_HALF = 40.0, 200.0, 1000.0
_MIDDLE_LOG, _MIDDLE_RATIO, _HIGHEST_RATIO = 0.7, 0.5, 2.0


@dataclass(frozen=True)
class CoarseBatch:
    """n scenes on one device.

    Attributes:
        pet, ct, far_pet, far_ct: cells of all scenes in a row, fine and coarse; 0 where there is no CT.
        shapes, far_shapes: (n, 3) cells (z, y, x) of each.
        starts, far_starts: (n,) where each begins.
        lows: (n, 3) in mm (x, y, z) of each first cell's centre.
        references: (n,) SUV of the liver, or what stands for it.
        with_ct: (n,) 1 or 0.
        tracers: (n,) 1 for PSMA, -1 for FDG.
    """

    pet: Tensor
    ct: Tensor
    far_pet: Tensor
    far_ct: Tensor
    shapes: Tensor
    far_shapes: Tensor
    starts: Tensor
    far_starts: Tensor
    lows: Tensor
    references: Tensor
    with_ct: Tensor
    tracers: Tensor

    @classmethod
    def of(cls, scenes: Iterable[CoarseStudy], device: torch.device | str = "cpu") -> Self:
        """Copies of scenes; of those that come one by one, none is kept."""
        cells: list[list[npt.NDArray[Any]]] = [[], [], [], []]
        facts = []
        for one in scenes:
            wide, wide_ct = one.coarse()
            parts = one.pet, one.ct, wide, wide_ct
            for kept, part, like in zip(cells, parts, (one.pet, one.pet, wide, wide), strict=True):
                kept.append(np.zeros(like.shape, np.int8) if part is None else part)
            facts.append((one.low, one.reference, one.ct is not None, 1.0 if one.tracer == "psma" else -1.0))
        shapes, far_shapes = (torch.tensor([part.shape for part in cells[i]], dtype=torch.int64) for i in (0, 2))
        lows, references, with_ct, tracers = (
            torch.from_numpy(np.array(column, np.float32)).to(device) for column in zip(*facts, strict=True)
        )
        dtypes = torch.float16, torch.int8, torch.float16, torch.float16
        pet, ct, far_pet, far_ct = (_row(kept, dtype, device) for kept, dtype in zip(cells, dtypes, strict=True))
        return cls(
            *(pet, ct, far_pet, far_ct),
            *(shapes.to(device), far_shapes.to(device), _starts(shapes).to(device), _starts(far_shapes).to(device)),
            *(lows, references, with_ct, tracers),
        )

    def windows(
        self, scenes: Tensor, places: Tensor, suv: Tensor, gain: Tensor | None = None, grain: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What surrounds m places of uptake `suv`: two tensors (m, `CHANNELS`, z, y, x) of `SIDE`^3 cells.

        The near one, 64 mm across, shows uptake relative to the liver (logarithm) and to `suv`, and CT in a soft-tissue
        and a wide window; the far one, 192 mm across, shows the first, the CT, and the tracer. For training all uptake
        is scaled by `gain`, and the near one gets noise, `grain` times the root of its uptake.

        Args:
            scenes: (m,) numbers of scenes.
            places: (m, 3) in mm (x, y, z) from the first voxel of each study.
            suv: (m,).
            gain: (m,), 1 if left out.
            grain: (m, z, y, x) of `SIDE`^3.
        """
        cell = (places.float() - self.lows[scenes]).flip(1) / CELL_MM
        near = torch.round(cell).long()
        far = torch.round((cell - COARSER // 2) / COARSER).long()
        fine, coarse = self.starts[scenes], self.far_starts[scenes]
        shapes, far_shapes = self.shapes[scenes], self.far_shapes[scenes]
        each = (-1, 1, 1, 1)
        louder = torch.ones_like(suv) if gain is None else gain
        pet = louder.view(each) * _cut(self.pet, fine, shapes, near, 0.0)
        wide = louder.view(each) * _cut(self.far_pet, coarse, far_shapes, far, 0.0)
        if grain is not None:
            pet = (pet + grain * pet.clamp(min=0).sqrt()).clamp(min=0)
        reference, known = self.references[scenes].view(each), self.with_ct[scenes].view(each)
        ratio = (pet / (louder * suv).view(each)).clamp(0, _HIGHEST_RATIO) - _MIDDLE_RATIO
        tissue = _tissue(_cut(self.ct, fine, shapes, near, LOWEST), known)
        wide_tissue = _tissue(_cut(self.far_ct, coarse, far_shapes, far, LOWEST), known)
        tracer = self.tracers[scenes].view(each).expand_as(wide)
        return (
            torch.stack([torch.log1p(pet / reference) - _MIDDLE_LOG, ratio, *tissue], dim=1),
            torch.stack([torch.log1p(wide / reference) - _MIDDLE_LOG, *wide_tissue, tracer], dim=1),
        )


def _row(cells: list[npt.NDArray[Any]], dtype: torch.dtype, device: torch.device | str) -> Tensor:
    """The cells one after the other; the list is emptied, so that little is there twice."""
    row = torch.empty(sum(part.size for part in cells), dtype=dtype, device=device)
    start = row.numel()
    while cells:
        part = torch.from_numpy(np.ascontiguousarray(cells.pop()).ravel())
        start -= part.numel()
        row[start : start + part.numel()] = part.to(device)
    return row


def _starts(shapes: Tensor) -> Tensor:
    sizes = shapes.prod(dim=1)
    return sizes.cumsum(dim=0) - sizes


def _cut(row: Tensor, starts: Tensor, shapes: Tensor, centres: Tensor, outside: float) -> Tensor:
    """Cubes (m, z, y, x) around `centres` (m, 3), cells, with `outside` beyond a scene."""
    steps = torch.arange(SIDE, device=row.device) - SIDE // 2
    at = centres[:, :, None] + steps
    inside = (at >= 0) & (at < shapes[:, :, None])
    z, y, x = (torch.where(inside, at, 0)).unbind(dim=1)
    _, rows, columns = shapes.unbind(dim=1)
    index = (z[:, :, None] * rows[:, None, None] + y[:, None, :]) * columns[:, None, None]
    index = starts[:, None, None, None] + index[..., None] + x[:, None, None, :]
    there = inside[:, 0, :, None, None] & inside[:, 1, None, :, None] & inside[:, 2, None, None, :]
    return torch.where(there, row[index].float(), outside)


def _tissue(tens: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    hu = tens * HU_STEP
    return ((hu - _SOFT_CENTRE) / _SOFT_HALF).clamp(-1, 1) * known, (hu / _WIDE_HALF).clamp(-1, 1) * known
