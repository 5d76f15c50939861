"""Reading CT and PET from DICOM series as images and as a study."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet.dicom.series import Series, read_series
from sam_pet.dicom.suv import Weighting, suv_factor
from sam_pet.dicom.tags import quiet, value_of
from sam_pet.study import Study, study_of_images


def read_ct(path: str | os.PathLike[str]) -> sitk.Image:
    """The CT series in a folder (or the series of one file) in HU, float32; raises like `read_series`."""
    series = read_series(path, "CT")
    return _image(series, series.array())


def read_pet(path: str | os.PathLike[str], weighting: Weighting = "bw") -> sitk.Image:
    """The PET series in a folder (or the series of one file) in SUV, float32.

    Raises:
        InputError: see `read_series` and `suv_factor`.
    """
    series = read_series(path, "PET")
    factor = suv_factor(series, weighting)
    volume = series.array()
    volume *= np.float32(factor)
    return _image(series, volume)


def read_dicom_study(
    ct_dir: str | os.PathLike[str] | None,
    pet_dir: str | os.PathLike[str],
    weighting: Weighting = "bw",
) -> Study:
    """CT and PET series as a study on the PET's grid.

    `sam_pet.read_study` does the same with body-weight SUV, and takes image files too.

    Args:
        ct_dir: folder or file of the CT series, or None; the same folder may hold both.
        pet_dir: folder or file of the PET series.
        weighting: "bw" for SUV by body weight, "lbm" by lean body mass.

    Raises:
        InputError: see `read_series`, `suv_factor` and `sam_pet.study.study_of_images`.
    """
    pet = read_pet(pet_dir, weighting)
    if ct_dir is None:
        return study_of_images(None, pet, None, Path(pet_dir))
    return study_of_images(read_ct(ct_dir), pet, Path(ct_dir), Path(pet_dir))


def _image(series: Series, volume: npt.NDArray[np.float32]) -> sitk.Image:
    image = series.grid.image(volume)
    with quiet():
        frame_of_reference = value_of(series.slices[0], "FrameOfReferenceUID")
    if frame_of_reference is not None:
        image.SetMetaData("0020|0052", str(frame_of_reference))
    return image
