"""A study: CT (HU) and PET (SUV) of one patient visit on one grid, the PET grid."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet.dicom.signature import is_dicom
from sam_pet.errors import InputError
from sam_pet.files import read_image
from sam_pet.geometry import AxialOrder, Grid
from sam_pet.sanity import FINEST_PET_MM, UnsoundError, require_spacing

logger = logging.getLogger(__name__)

AIR_HU = -1000.0
# SUVs above this were never seen in a lesion (autoPET: 393 at most) and hardly in a bladder, while any
# whole-body or regional PET in Bq/mL passes it.
_SUV_LIMIT = 2000.0
# Reconstruction leaves PET values a little below 0, never this far; the air of a CT is.
_PET_LOW = -100.0
# Below this nothing is an SUV; metal is far below that HU.
_SUV_LOW, _HU_LIMIT = 1e-4, 1e5
# Of the PET's volume: a first answer with a CT of 2 % was worse than without.
LITTLE_COVERED = 0.5
# The key under which ITK keeps this DICOM attribute.
_FRAME_OF_REFERENCE = "0020|0052"

Volume = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Study:
    """CT and PET as float32 arrays [z, y, x] on `grid`; `ct` is None for a PET without CT.

    `ct_share` is the part of the PET's volume that the CT covers; elsewhere it is air.

    Examples:
        >>> import numpy as np
        >>> from sam_pet import Grid, Study
        >>> study = Study(np.ones((20, 40, 30), np.float32), None, Grid((30, 40, 20), (4.0, 4.0, 5.0)))
        >>> study.frame_spacing
        (4.0, 4.0, 5.0)
    """

    pet: Volume
    ct: Volume | None
    grid: Grid
    ct_share: float = 1.0

    def __post_init__(self) -> None:
        for what, array in (("PET", self.pet), ("CT", self.ct)):
            if array is not None and array.shape != self.grid.shape:
                raise ValueError(f"{what} of shape {array.shape} is not on a grid of shape {self.grid.shape}")

    @cached_property
    def order(self) -> AxialOrder:
        """How the stored axes turn into axial frames."""
        return AxialOrder.of(self.grid)

    @property
    def frame_spacing(self) -> tuple[float, float, float]:
        """Spacing (x, y, z) in mm of the axial view: in the frames, and between them."""
        return self.order.spacing(self.grid)

    @property
    def axial_pet(self) -> Volume:
        return self.order.view(self.pet)

    @property
    def axial_ct(self) -> Volume | None:
        return None if self.ct is None else self.order.view(self.ct)


def read_study(ct: str | os.PathLike[str] | None, pet: str | os.PathLike[str]) -> Study:
    """Read CT and PET; a CT on another grid is resampled to the PET grid (air outside it).

    Args:
        ct: MHA, NIfTI or NRRD file in HU, or None for a PET alone.
        pet: the same in SUV; its grid is the grid of every output.
            Either may be a folder with a DICOM series, or one file of the series; a PET series is turned into
            body-weight SUV.

    Raises:
        InputError: see `read_image`, `sam_pet.dicom.read` and `study_of_images`.

    Examples:
        >>> import numpy as np
        >>> from sam_pet import Grid, read_study
        >>> from sam_pet.files import write_image
        >>> write_image(Grid((30, 40, 20), (4.0, 4.0, 5.0)).image(np.ones((20, 40, 30), np.float32)), "suv.nii.gz")
        >>> read_study(ct=None, pet="suv.nii.gz").grid.size
        (30, 40, 20)
    """
    # No names for the images here: each is dropped as soon as its float32 array is made.
    return study_of_images(
        pet=_read(pet, "PET"),
        ct=None if ct is None else _read(ct, "CT"),
        ct_path=None if ct is None else Path(ct),
        pet_path=Path(pet),
    )


def study_of_images(ct: sitk.Image | None, pet: sitk.Image, ct_path: Path | None, pet_path: Path) -> Study:
    """A study of images in HU and SUV; the paths are where errors say that they come from.

    Raises:
        InputError: a volume has NaN or infinite voxels, the CT is not in HU, the PET is not in SUV, or they do not
            overlap in space.
    """
    pet = _as_float(pet)
    _check_pet(pet, pet_path)
    share = 1.0
    if ct is not None:
        # Before it is resampled: the air around a CT that is not in HU would make it look as if it were.
        _check_ct(ct, ct_path)
        ct, share = _on_grid(ct, pet, ct_path, pet_path)
    return Study(pet=_array(pet), ct=None if ct is None else _array(ct), grid=Grid.of(pet), ct_share=share)


def _read(path: str | os.PathLike[str], what: str) -> sitk.Image:
    if not is_dicom(Path(path)):
        return read_image(path, what)
    try:
        from sam_pet.dicom.read import read_ct, read_pet
    except ModuleNotFoundError as error:
        raise InputError(
            f"{what}: reading the DICOM series {path} needs {error.name}; pip install 'sam-pet[dicom]', "
            "or convert it to NIfTI or MHA"
        ) from error
    return read_ct(path) if what == "CT" else read_pet(path)


def _array(image: sitk.Image) -> Volume:
    # A copy: SimpleITK's views do not keep the buffer of their image alive.
    array: Volume = sitk.GetArrayFromImage(image)
    return array


def _as_float(image: sitk.Image) -> sitk.Image:
    return image if image.GetPixelID() == sitk.sitkFloat32 else sitk.Cast(image, sitk.sitkFloat32)


def _on_grid(ct: sitk.Image, pet: sitk.Image, ct_path: Path | None, pet_path: Path) -> tuple[sitk.Image, float]:
    """The CT on the grid of the PET, and how much of it it covers."""
    if len({i.GetMetaData(_FRAME_OF_REFERENCE) for i in (ct, pet) if i.HasMetaDataKey(_FRAME_OF_REFERENCE)}) > 1:
        logger.warning("CT and PET are in different frames of reference: %s and %s", ct_path, pet_path)
    grid, ct_grid = Grid.of(pet), Grid.of(ct)
    if ct_grid.same_as(grid):
        return _as_float(ct), 1.0
    corners = np.array(list(np.ndindex(2, 2, 2))) * np.array(ct_grid.size) - 0.5
    voxels = grid.to_voxel(ct_grid.to_world(corners))
    low, high = voxels.min(axis=0), voxels.max(axis=0)
    overlap = np.minimum(high, np.array(grid.size) - 0.5) - np.maximum(low, -0.5)
    if (overlap < 1e-3).any():
        raise InputError(
            f"CT and PET do not overlap in space: {ct_path} and {pet_path}; "
            "check that they are of the same visit and in the same frame of reference"
        )
    covered = float(np.prod(np.minimum(overlap / np.array(grid.size), 1.0)))
    if covered < LITTLE_COVERED:
        logger.warning(
            "the CT covers %.0f %% of the PET; air is assumed elsewhere, where masks are worse "
            "than from the PET alone: give the whole CT, or none",
            100 * covered,
        )
    return sitk.Resample(ct, pet, sitk.Transform(), sitk.sitkLinear, AIR_HU, sitk.sitkFloat32), covered


def _extremes(image: sitk.Image, what: str, path: Path | None) -> tuple[float, float]:
    volume = sitk.GetArrayViewFromImage(image)
    low, high = float(volume.min()), float(volume.max())
    if not np.isfinite([low, high]).all():
        bad = sum(int((~np.isfinite(plane)).sum()) for plane in volume)
        raise InputError(f"{what}: {path} has NaN or infinite voxels, {bad} of them; export it again or replace them")
    return low, high


def _check_pet(pet: sitk.Image, path: Path | None) -> None:
    try:
        require_spacing(pet.GetSpacing(), pet.GetSize(), FINEST_PET_MM)
    except UnsoundError as error:
        raise InputError(f"PET: {path} {error}") from error
    low, high = _extremes(pet, "PET", path)
    # As of bytes in the wrong order.
    if low < _PET_LOW or 0 < high < _SUV_LOW:
        raise InputError(
            f"PET: {path} is not in SUV (values {low:g} to {high:g}); check that CT and PET are not swapped"
        )
    if high > _SUV_LIMIT:
        raise InputError(
            f"PET: {path} looks like Bq/mL and not SUV (maximum {high:.0f}); "
            "convert it: SUV = Bq/mL x body weight in g / injected dose in Bq, decay-corrected"
        )
    if high <= 0:
        logger.warning("PET: %s has no uptake anywhere; check that it was exported whole", path)


def _check_ct(ct: sitk.Image, path: Path | None) -> None:
    low, high = _extremes(ct, "CT", path)
    if low >= 0 or high - low < 50 or max(-low, high) > _HU_LIMIT:
        raise InputError(
            f"CT: {path} is not in HU (values {low:g} to {high:g}, where air is near -1000); "
            "apply its rescale slope and intercept before"
        )
