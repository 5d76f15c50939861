"""Slicer segmentations, read back by Slicer's own Python package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
import slicerio

from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.labels import PALETTE
from sam_pet.slicer import write_colour_table, write_seg_nrrd

GRID = Grid((7, 6, 5), (2.0, 3.0, 4.0), (10.0, -20.0, 30.0), (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0))


@pytest.fixture
def labels() -> npt.NDArray[np.uint16]:
    made = np.zeros(GRID.shape, np.uint16)
    made[1:3, 2:5, 3:4] = 1
    made[4, 0, 0:2] = 300
    return made


def test_slicer_finds_names_colours_and_voxels(labels: npt.NDArray[np.uint16], tmp_path: Path) -> None:
    path = tmp_path / "lesions.seg.nrrd"
    write_seg_nrrd(labels, GRID, path, names={300: "Left  axilla"})
    back = slicerio.read_segmentation(str(path))
    assert slicerio.segment_names(back) == ["Lesion 1", "Left axilla"]
    first, second = back["segments"]
    assert (first["labelValue"], second["labelValue"]) == (1, 300)
    assert (first["layer"], second["layer"]) == (0, 0)
    assert first["color"] == pytest.approx([c / 255 for c in PALETTE[0]], abs=1e-5)
    assert second["color"] == pytest.approx([c / 255 for c in PALETTE[299 % 6]], abs=1e-5)
    assert first["terminology"]["type"] == ["SCT", "52988006", "Lesion"]
    assert back["containedRepresentationNames"] == ["Binary labelmap"]
    # slicerio hands out [x, y, z].
    assert np.array_equal(back["voxels"], labels.transpose(2, 1, 0))
    # x, y, z ranges of the voxels of each.
    assert first["extent"] == [3, 3, 2, 4, 1, 2]
    assert second["extent"] == [0, 1, 0, 0, 4, 4]


def test_the_segmentation_is_an_image_on_the_grid(labels: npt.NDArray[np.uint16], tmp_path: Path) -> None:
    write_seg_nrrd(labels, GRID, tmp_path / "lesions.seg.nrrd")
    image = sitk.ReadImage(tmp_path / "lesions.seg.nrrd")
    assert Grid.of(image).same_as(GRID)
    assert np.array_equal(sitk.GetArrayFromImage(image), labels)


def test_a_segmentation_may_be_empty(tmp_path: Path) -> None:
    path = tmp_path / "none.seg.nrrd"
    write_seg_nrrd(np.zeros(GRID.shape, np.uint16), GRID, path)
    assert slicerio.read_segmentation(str(path))["segments"] == []


def test_a_name_that_slicer_would_not_know_is_refused(labels: npt.NDArray[np.uint16], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.seg\.nrrd"):
        write_seg_nrrd(labels, GRID, tmp_path / "lesions.nrrd")
    assert not list(tmp_path.iterdir())


def test_the_colour_table_has_a_line_for_each_label(labels: npt.NDArray[np.uint16], tmp_path: Path) -> None:
    write_colour_table(labels, tmp_path / "lesions.ctbl", names={300: "Left axilla"})
    lines = (tmp_path / "lesions.ctbl").read_text().splitlines()
    red, green, blue = PALETTE[299 % 6]
    assert [line for line in lines if not line.startswith("#")] == [
        "0 background 0 0 0 0",
        "1 Lesion_1 230 159 0 255",
        f"300 Left_axilla {red} {green} {blue} 255",
    ]
