"""Reading CT and PET from DICOM series as images."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt
import SimpleITK as sitk

from sam_pet.dicom.series import Series, read_series
from sam_pet.dicom.suv import Weighting, suv_factor
from sam_pet.dicom.tags import quiet, value_of


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


def _image(series: Series, volume: npt.NDArray[np.float32]) -> sitk.Image:
    image = series.grid.image(volume)
    with quiet():
        frame_of_reference = value_of(series.slices[0], "FrameOfReferenceUID")
    if frame_of_reference is not None:
        image.SetMetaData("0020|0052", str(frame_of_reference))
    return image
