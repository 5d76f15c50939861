from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.masks import read_labels

GRID = Grid((4, 3, 2), (2.0, 3.0, 4.0))


def written(path: Path, array: np.ndarray) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(GRID.spacing)
    sitk.WriteImage(image, str(path))
    return path


def test_components_of_a_mask_become_lesions_by_18_neighbours(tmp_path: Path) -> None:
    mask = np.zeros(GRID.shape, np.uint8)
    mask[0, 0, 0] = mask[0, 1, 1] = 1  # neighbours by an edge
    mask[1, 2, 2] = 1  # by a corner of (0, 1, 1) only
    labels, grid = read_labels(written(tmp_path / "m.mha", mask), "mask")
    assert grid == GRID
    assert labels.dtype == np.uint16
    assert labels[0, 0, 0] == labels[0, 1, 1] == 1
    assert labels[1, 2, 2] == 2


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_a_label_map_keeps_its_numbers_whatever_its_type(dtype: type, tmp_path: Path) -> None:
    stored = np.zeros(GRID.shape, dtype)
    stored[0, 0, 0], stored[1, 2, 3], stored[0, 0, 1] = 7, 2, 7
    labels, _ = read_labels(written(tmp_path / "l.nrrd", stored), "mask")
    assert np.array_equal(labels, stored)


@pytest.mark.parametrize("value", [-1.0, 0.5, 70000.0, float("nan")])
def test_what_is_no_label_is_refused(value: float, tmp_path: Path) -> None:
    stored = np.zeros(GRID.shape, np.float32)
    stored[0, 0, 0] = value
    with pytest.raises(InputError, match="1 voxels hold other values"):
        read_labels(written(tmp_path / "l.mha", stored), "mask")


def test_more_components_than_numbers_are_refused(tmp_path: Path) -> None:
    noise = np.zeros((82, 82, 82), np.uint8)
    noise[::2, ::2, ::2] = 1
    with pytest.raises(InputError, match="has 68921 components"):
        read_labels(written(tmp_path / "m.mha", noise), "mask")
