"""A body on coarse cells, of which windows show a candidate from near and from afar."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet.detection.body import Body
from sam_pet.detection.tracer import Tracer
from sam_pet.files import replacing
from sam_pet.stored import stored_arrays
from sam_pet.study import AIR_HU, Study, Volume

Floats = npt.NDArray[np.floating[Any]]
CELL_MM = 4.0
# Coarse cells are so many fine ones across.
COARSER = 3
_MARGIN_MM = 8.0
# HU are kept in steps of ten, as one byte each.
HU_STEP, LOWEST, _HIGHEST = 10.0, -100, 127


@dataclass(frozen=True)
class CoarseStudy:
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

    def coarse(self) -> tuple[npt.NDArray[np.float16], npt.NDArray[np.float16] | None]:
        """PET and CT as means over whole blocks of `COARSER` cells a side."""
        ct = None if self.ct is None else _coarsened(self.ct)
        return _coarsened(self.pet), ct

    def save(self, path: str | os.PathLike[str]) -> None:
        with replacing(path) as temporary:
            ct = np.zeros((0, 0, 0), np.int8) if self.ct is None else self.ct
            np.savez(temporary, pet=self.pet, ct=ct, low=self.low, reference=self.reference, tracer=self.tracer)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        with stored_arrays(path) as stored:
            ct = stored["ct"] if stored["ct"].size else None
            tracer: Tracer = "psma" if str(stored["tracer"]) == "psma" else "fdg"
            return cls(stored["pet"], ct, stored["low"], float(stored["reference"]), tracer)


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
    return np.clip(np.round(ct / HU_STEP), LOWEST, _HIGHEST).astype(np.int8)


def _coarsened(cells: npt.NDArray[Any]) -> npt.NDArray[np.float16]:
    z, y, x = (n // COARSER for n in cells.shape)
    whole = cells[: z * COARSER, : y * COARSER, : x * COARSER].astype(np.float32)
    means: npt.NDArray[np.float16] = (
        whole.reshape(z, COARSER, y, COARSER, x, COARSER).mean(axis=(1, 3, 5)).astype(np.float16)
    )
    return means
