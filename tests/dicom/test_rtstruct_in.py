"""Structure sets of other programs, with what they do to contours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, FileDataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RTStructureSetStorage, generate_uid

from sam_pet.dicom.rtstruct import read_rtstruct
from sam_pet.errors import InputError
from sam_pet.geometry import Grid

GRID = Grid((20, 20, 24), (2.0, 2.0, 3.0), (-20.0, -20.0, -36.0))
VolumeNetwork = tuple[str, list[float]]


def square(z: float, low: float = 4.5, high: float = 9.5, turned: bool = False) -> VolumeNetwork:
    """A closed contour around 25 voxels of a slice."""
    corners = [(low, low), (high, low), (high, high), (low, high)]
    points = GRID.to_world([(x, y, z) for x, y in (corners[::-1] if turned else corners)])
    return "CLOSED_PLANAR", points.ravel().tolist()


def structure_set(path: Path, rois: Sequence[tuple[str, Sequence[VolumeNetwork]]]) -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = RTStructureSetStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = RTStructureSetStorage, meta.MediaStorageSOPInstanceUID
    dataset.Modality = "RTSTRUCT"
    dataset.StructureSetROISequence = [
        _item({"ROINumber": number, "ROIName": name}) for number, (name, _) in enumerate(rois, start=1)
    ]
    dataset.ROIContourSequence = [
        _item(
            {
                "ReferencedROINumber": number,
                "ContourSequence": [
                    _item({"ContourGeometricType": kind, "ContourData": [f"{c:.4f}" for c in points]})
                    for kind, points in contours
                ],
            }
        )
        for number, (_, contours) in enumerate(rois, start=1)
        if contours
    ]
    dataset.save_as(path, enforce_file_format=True)
    return path


def _item(tags: Mapping[str, object]) -> Dataset:
    item = Dataset()
    for keyword, value in tags.items():
        setattr(item, keyword, value)
    return item


def drawn(path: Path, contours: Sequence[VolumeNetwork]) -> tuple[int, list[int]]:
    """Voxels, and the slices that hold some."""
    mask = read_rtstruct(structure_set(path / "rt.dcm", [("N", contours)]), "N", GRID)
    return int(mask.sum()), np.flatnonzero(mask.any((1, 2))).tolist()


@pytest.mark.parametrize("planes", [[5], [4, 18], [2, 10, 18], [2, 7, 12], [3, 4, 5, 17, 18, 19], [2, 5, 11, 19]])
def test_gaps_stay_gaps(tmp_path: Path, planes: list[int]) -> None:
    assert drawn(tmp_path, [square(z) for z in planes]) == (25 * len(planes), planes)


def test_slices_that_were_skipped_are_filled_and_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert drawn(tmp_path, [square(z) for z in (4, 6, 8, 10)]) == (225, list(range(3, 12)))
    assert "every 6.0 mm, and the image has slices every 3.0 mm" in caplog.text


@pytest.mark.parametrize("turned", [False, True])
def test_a_contour_that_is_there_twice_counts_once(tmp_path: Path, turned: bool) -> None:
    assert drawn(tmp_path, [square(5), square(5, turned=turned), square(6)]) == (50, [5, 6])


def test_a_hole_is_no_second_contour(tmp_path: Path) -> None:
    assert drawn(tmp_path, [square(5), square(5, 5.5, 7.5)]) == (21, [5])


def test_what_lies_beyond_the_image_is_told_to_be_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert drawn(tmp_path, [square(z) for z in (22, 23, 24, 25)]) == (50, [22, 23])
    assert "2 of 4 contours" in caplog.text


def test_a_contour_at_the_edge_of_the_image_loses_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert drawn(tmp_path, [square(0, -0.5, 4.5)]) == (25, [0])
    assert not caplog.text


def test_open_contours_are_told_to_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    open_one = ("OPEN_PLANAR", square(6)[1])
    assert drawn(tmp_path, [square(5), open_one, ("POINT", square(7)[1][:3])]) == (25, [5])
    assert caplog.text.count("not closed") == 1


def test_of_two_regions_of_one_name_none_is_chosen(tmp_path: Path) -> None:
    path = structure_set(tmp_path / "rt.dcm", [("N", [square(5)]), ("N", [square(9)])])
    with pytest.raises(InputError, match="several ROIs called N"):
        read_rtstruct(path, "N", GRID)


def test_a_region_that_nothing_is_drawn_of_is_no_second_one(tmp_path: Path) -> None:
    path = structure_set(tmp_path / "rt.dcm", [("N", []), ("N", [square(9)])])
    assert int(read_rtstruct(path, "N", GRID).sum()) == 25
