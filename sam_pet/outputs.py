"""Lesions as the files that other programs read."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sam_pet.dicom.signature import is_dicom
from sam_pet.errors import InputError
from sam_pet.files import require_file_name, write_image
from sam_pet.geometry import Grid
from sam_pet.labels import Labels
from sam_pet.slicer import SUFFIX, write_seg_nrrd

if TYPE_CHECKING:
    from sam_pet.dicom.series import Series


def write_mask(labels: Labels, grid: Grid, path: str | os.PathLike[str]) -> None:
    """Write lesions, numbers [z, y, x], as a uint8 mask of 0 and 1; as a segmentation of 3-D Slicer if named so.

    Raises:
        InputError: a name that no image can be written under.

    Examples:
        >>> import numpy as np
        >>> from sam_pet import Grid
        >>> from sam_pet.outputs import write_mask
        >>> labels = np.zeros((20, 40, 30), np.uint16)
        >>> labels[2, 2, 2], labels[9, 9, 9] = 1, 2
        >>> write_mask(labels, Grid((30, 40, 20)), "mask.nii.gz")
    """
    if Path(path).name.lower().endswith(SUFFIX):
        write_seg_nrrd(labels, grid, path)
    else:
        write_image(grid.image((labels > 0).astype(np.uint8)), path)


def sources(image: Path | None) -> list[Path]:
    """The files and folders that an image is read from: with one file of a DICOM series its folder."""
    if image is None:
        return []
    return [image.parent] if image.is_file() and is_dicom(image) else [image]


def require_dicom_names(paths: Mapping[str, Path]) -> None:
    """Raise an InputError if no DICOM object can be written under one of these names, by kind: "SEG", "RTSTRUCT"."""
    for kind, path in paths.items():
        if path.suffix.lower() != ".dcm":
            raise InputError(f"cannot write {path}: the name of a DICOM {kind} must end in .dcm")
        require_file_name(path)


def source_series(pet: Path, paths: Mapping[str, Path]) -> Series | None:
    """The PET series that DICOM objects refer to, None where there are none to write.

    Raises:
        InputError: the PET is not DICOM, or see `sam_pet.dicom.series.read_series`.
    """
    if not paths:
        return None
    if not is_dicom(pet):
        raise InputError(
            f"cannot write {next(iter(paths.values()))}: a DICOM object refers to the series it was drawn on, and the "
            f"PET {pet} is not DICOM; give its DICOM folder, or leave the option out"
        )
    from sam_pet.dicom.series import read_series

    return read_series(pet, "PET")


def write_dicom(
    labels: Labels,
    series: Series,
    paths: Mapping[str, Path],
    model: str,
    automatic: bool = False,
    names: Mapping[int, str] | None = None,
) -> None:
    """Write lesions as a DICOM SEG or an RTSTRUCT, or both, under their `names` where they have some.

    Raises:
        InputError: see `sam_pet.dicom.seg.write_seg`; also for whatever else the series' header leads to.
    """
    from sam_pet.dicom.rtstruct import write_rtstruct
    from sam_pet.dicom.seg import lesions_to_write, write_seg

    for path in paths.values():
        lesions_to_write(labels, series, path)
    writers = {"SEG": write_seg, "RTSTRUCT": write_rtstruct}
    for kind, path in paths.items():
        try:
            writers[kind](labels, series, path, model=model, automatic=automatic, names=names)
        except (InputError, OSError, MemoryError):
            raise
        except Exception as error:  # highdicom and pydicom raise what they like, with texts that may show values
            raise InputError(
                f"cannot write {path}: the header of {series.paths[0]} does not make a DICOM {kind} "
                f"({type(error).__name__}); correct the series"
            ) from error
