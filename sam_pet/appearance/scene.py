"""A body on coarse cells, and the windows on it that show a candidate from near and from afar."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet.files import replacing
from sam_pet.first_answer.body import Body
from sam_pet.first_answer.tracer import Tracer
from sam_pet.study import AIR_HU, Study, Volume

Floats = npt.NDArray[np.floating[Any]]
CELL_MM = 4.0
# The far window's cells are so many of the near one's across.
_COARSER = 3
SIDE = 16
CHANNELS = 4
_MARGIN_MM = 8.0
# HU are kept in steps of ten, as one byte each.
_HU_STEP, _LOWEST, _HIGHEST = 10.0, -100, 127
_SOFT_CENTRE, _SOFT_HALF, _WIDE_HALF = 40.0, 200.0, 1000.0
_MIDDLE_LOG, _MIDDLE_RATIO, _HIGHEST_RATIO = 0.7, 0.5, 2.0


@dataclass(frozen=True)
class Scene:
    """SUV and HU of a body on cells of `CELL_MM`, axial.

    Attributes:
        pet: SUV (float16) [z, y, x].
        ct: tens of HU (int8) [z, y, x], None without CT.
        low: (x, y, z) in mm of the first cell's centre, from the first voxel's.
        reference: SUV of the liver, or what stands for it.
        tracer: of the study.
    """

    pet: npt.NDArray[np.float16]
    ct: npt.NDArray[np.int8] | None
    low: Floats
    reference: float
    tracer: Tracer

    @classmethod
    def of(cls, study: Study, body: Body, tracer: Tracer) -> Self:
        """The box of a study that holds the body."""
        spacing = np.array(body.spacing)
        outline = body.outline if body.outline.any() else np.ones_like(body.outline)
        inside = np.argwhere(outline)[:, ::-1]
        low = inside.min(axis=0) * spacing - _MARGIN_MM
        size = np.ceil(((inside.max(axis=0) + 1) * spacing + _MARGIN_MM - low) / CELL_MM).astype(int)
        ct = study.axial_ct
        return cls(
            pet=_resampled(study.axial_pet, study.frame_spacing, low, size, 0.0).astype(np.float16),
            ct=None if ct is None else _tens(_resampled(ct, study.frame_spacing, low, size, AIR_HU)),
            low=low,
            reference=body.reference,
            tracer=tracer,
        )

    def windows(
        self, place: Floats, suv: float, gain: float = 1.0, grain: Volume | None = None
    ) -> tuple[Volume, Volume]:
        """What surrounds a place (x, y, z) in mm of uptake `suv`: two arrays (`CHANNELS`, z, y, x) of `SIDE`^3 cells.

        The near one, 64 mm across, shows uptake relative to the liver (logarithm) and to `suv`, and CT in a soft-tissue
        and a wide window; the far one, 192 mm across, shows the first, the CT, and the tracer. For training all uptake
        is scaled by `gain`, and the near one gets noise, `grain` times the root of its uptake.
        """
        cell = (np.asarray(place) - self.low)[::-1] / CELL_MM
        near, far = np.round(cell).astype(int), np.round((cell - _COARSER // 2) / _COARSER).astype(int)
        pet, wide_pet = gain * _cut(self.pet, near, 0.0), gain * _cut(self._far_pet, far, 0.0)
        if grain is not None:
            pet = np.maximum(pet + grain * np.sqrt(np.maximum(pet, 0)), 0)
        tracer = np.full_like(wide_pet, 1.0 if self.tracer == "psma" else -1.0)
        ratio = np.clip(pet / (gain * suv), 0, _HIGHEST_RATIO) - _MIDDLE_RATIO
        return (
            np.stack([self._uptake(pet), ratio, *_tissue(self.ct, near)]).astype(np.float32),
            np.stack([self._uptake(wide_pet), *_tissue(self._far_ct, far), tracer]).astype(np.float32),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        with replacing(path) as temporary:
            ct = np.zeros((0, 0, 0), np.int8) if self.ct is None else self.ct
            np.savez(temporary, pet=self.pet, ct=ct, low=self.low, reference=self.reference, tracer=self.tracer)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        with np.load(path) as stored:
            ct = stored["ct"] if stored["ct"].size else None
            tracer: Tracer = "psma" if str(stored["tracer"]) == "psma" else "fdg"
            return cls(stored["pet"], ct, stored["low"], float(stored["reference"]), tracer)

    def _uptake(self, pet: Volume) -> Volume:
        uptake: Volume = np.log1p(pet / self.reference) - _MIDDLE_LOG
        return uptake

    @cached_property
    def _far_pet(self) -> npt.NDArray[np.float16]:
        return _coarsened(self.pet).astype(np.float16)

    @cached_property
    def _far_ct(self) -> npt.NDArray[np.float16] | None:
        return None if self.ct is None else _coarsened(self.ct).astype(np.float16)


def _resampled(
    volume: Volume, spacing: tuple[float, float, float], low: Floats, size: npt.NDArray[np.int64], outside: float
) -> Volume:
    image = sitk.GetImageFromArray(np.ascontiguousarray(volume, np.float32))
    image.SetSpacing([float(s) for s in spacing])
    resample = sitk.ResampleImageFilter()
    resample.SetInterpolator(sitk.sitkLinear)
    resample.SetSize(size.tolist())
    resample.SetOutputOrigin([float(x) for x in low])
    resample.SetOutputSpacing([CELL_MM] * 3)
    resample.SetDefaultPixelValue(outside)
    resampled: Volume = sitk.GetArrayFromImage(resample.Execute(image))
    return resampled


def _tens(ct: Volume) -> npt.NDArray[np.int8]:
    return np.clip(np.round(ct / _HU_STEP), _LOWEST, _HIGHEST).astype(np.int8)


def _coarsened(cells: npt.NDArray[Any]) -> Volume:
    """Means over whole blocks of `_COARSER` cells a side."""
    z, y, x = (n // _COARSER for n in cells.shape)
    whole = cells[: z * _COARSER, : y * _COARSER, : x * _COARSER].astype(np.float32)
    means: Volume = whole.reshape(z, _COARSER, y, _COARSER, x, _COARSER).mean(axis=(1, 3, 5))
    return means


def _tissue(ct: npt.NDArray[Any] | None, centre: npt.NDArray[np.int64]) -> tuple[Volume, Volume]:
    if ct is None:
        return np.zeros((SIDE,) * 3, np.float32), np.zeros((SIDE,) * 3, np.float32)
    hu = _cut(ct, centre, _LOWEST) * np.float32(_HU_STEP)
    return np.clip((hu - _SOFT_CENTRE) / _SOFT_HALF, -1, 1), np.clip(hu / _WIDE_HALF, -1, 1)


def _cut(cells: npt.NDArray[Any], centre: npt.NDArray[np.int64], outside: float) -> Volume:
    low = centre - SIDE // 2
    window = np.full((SIDE,) * 3, outside, np.float32)
    inside = [slice(max(a, 0), min(a + SIDE, n)) for a, n in zip(low, cells.shape, strict=True)]
    if all(part.stop > part.start for part in inside):
        there = tuple(slice(part.start - a, part.stop - a) for part, a in zip(inside, low, strict=True))
        window[there] = cells[tuple(inside)]
    return window
