"""Which series is read from a folder, where its voxels are, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
from pydicom import dcmread
from pydicom.uid import JPEGLosslessSV1

from sam_pet.dicom.series import read_series
from sam_pet.errors import InputError

from .make import PATIENT, pet_tags, save, slices

OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)


@pytest.fixture
def stored() -> npt.NDArray[np.int16]:
    return np.random.default_rng(0).integers(-1000, 1000, (6, 5, 4), dtype=np.int16)


def refused(path: Path, what: str = "CT") -> str:
    with pytest.raises(InputError) as caught:
        read_series(path, what)
    message = str(caught.value)
    assert "\n" not in message
    assert not any(value in message for value in PATIENT.values())
    return message


def test_slices_are_ordered_by_position_and_not_by_name_or_number(
    stored: npt.NDArray[np.int16], tmp_path: Path
) -> None:
    save(slices(stored, "CT"), tmp_path)
    series = read_series(tmp_path, "CT")
    assert series.array() == pytest.approx(stored)
    assert series.grid.size == (4, 5, 6)
    assert series.grid.spacing == pytest.approx((4.0, 3.0, 5.0))
    assert series.grid.origin == pytest.approx((-20.0, 30.0, -100.0))
    assert series.grid.direction == pytest.approx((1, 0, 0, 0, 1, 0, 0, 0, 1))


def test_every_slice_has_its_own_rescale_slope(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    slopes = [0.5, 1.7141, 2.0, 0.001, 3.25, 10.0]
    save(slices(stored, "PT", slopes=slopes, intercept=-3.0, **pet_tags()), tmp_path)
    expected = stored * np.array(slopes)[:, None, None] - 3.0
    assert read_series(tmp_path, "PET").array() == pytest.approx(expected, rel=1e-6)


def test_oblique_slices_are_where_itk_has_them(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    datasets = slices(stored, "CT", orientation=OBLIQUE)
    paths = save(datasets, tmp_path)
    series = read_series(tmp_path, "CT")
    for z, dataset in enumerate(datasets):
        position = [float(c) for c in dataset.ImagePositionPatient]
        assert series.grid.to_world((0, 0, z)) == pytest.approx(position, abs=1e-4)
    itk = sitk.ReadImage([str(path) for path in paths])
    for voxel in ((3, 0, 0), (0, 4, 0), (3, 4, 5)):
        there = itk.TransformIndexToPhysicalPoint(voxel)
        assert series.grid.to_world(voxel) == pytest.approx(there, abs=1e-3)
    assert series.array() == pytest.approx(sitk.GetArrayFromImage(itk))


def test_a_series_is_found_in_subfolders_and_beside_other_files(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    save(slices(stored, "CT"), tmp_path / "a" / "ct")
    save(slices(stored[:4], "PT", **pet_tags()), tmp_path / "a" / "pet")
    (tmp_path / "a" / "notes.txt").write_text("not DICOM")
    assert read_series(tmp_path, "CT").grid.size[2] == 6
    assert read_series(tmp_path, "PET").grid.size[2] == 4


def test_a_series_in_a_compression_that_pydicom_does_not_know_is_read(tmp_path: Path) -> None:
    stored = np.random.default_rng(1).integers(0, 2000, (3, 32, 48), dtype=np.int16)
    datasets = slices(stored, "CT", slopes=2.0, intercept=-24.0)
    for plane, dataset in zip(stored, datasets, strict=True):
        writer = sitk.ImageFileWriter()
        writer.SetImageIO("GDCMImageIO")
        writer.SetCompressor("JPEG")
        writer.UseCompressionOn()
        writer.SetFileName(str(tmp_path / "encoded"))
        writer.Execute(sitk.GetImageFromArray(plane[None]))
        encoded = dcmread(tmp_path / "encoded")
        dataset.file_meta.TransferSyntaxUID = encoded.file_meta.TransferSyntaxUID
        dataset["PixelData"] = encoded["PixelData"]
    save(datasets, tmp_path / "series")
    series = read_series(tmp_path / "series", "CT")
    assert {header.file_meta.TransferSyntaxUID for header in series.slices} == {JPEGLosslessSV1}
    assert series.array() == pytest.approx(stored * 2.0 - 24.0)


def test_attenuation_corrected_pet_is_taken_and_the_log_says_so(
    stored: npt.NDArray[np.int16], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corrected = save(slices(stored, "PT", **pet_tags()), tmp_path / "ac")
    save(slices(stored, "PT", **pet_tags(CorrectedImage=["DECY"])), tmp_path / "nac")
    series = read_series(tmp_path, "PET")
    assert set(series.paths) == set(corrected)
    assert "of 2 series" in caplog.text
    assert str(tmp_path / "ac") in caplog.text
    assert "attenuation correction" in caplog.text
    assert not any(value in caplog.text for value in PATIENT.values())


def test_scouts_and_single_images_do_not_count(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    volume = save(slices(stored, "CT"), tmp_path / "ct")
    save(slices(stored[:2], "CT", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), tmp_path / "scout")
    save(slices(stored[:1], "CT"), tmp_path / "dose")
    assert set(read_series(tmp_path, "CT").paths) == set(volume)


def test_ambiguous_series_are_listed_and_one_file_names_the_series(
    stored: npt.NDArray[np.int16], tmp_path: Path
) -> None:
    save(slices(stored, "CT"), tmp_path / "soft")
    lung = save(slices(stored[:5], "CT"), tmp_path / "lung")
    message = refused(tmp_path)
    assert f"6 images from {tmp_path / 'soft'}" in message
    assert f"5 images from {tmp_path / 'lung'}" in message
    assert "give one file" in message
    assert set(read_series(lung[2], "CT").paths) == set(lung)


def test_a_file_of_another_modality_is_refused(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    path = save(slices(stored, "CT"), tmp_path)[0]
    assert "modality PT" in refused(path, "PET")


def test_a_folder_without_the_modality_says_what_it_has(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    assert "no DICOM file at all" in refused(tmp_path)
    save(slices(stored, "MR"), tmp_path)
    assert "only MR" in refused(tmp_path)
    assert "no such file or folder" in refused(tmp_path / "absent")


def test_a_missing_slice_is_named_by_its_neighbours(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    paths = save(slices(stored, "CT"), tmp_path)
    paths[3].unlink()
    message = refused(tmp_path)
    assert "slices are missing (1)" in message
    assert f"between {paths[2]} and {paths[4]}" in message


def test_duplicate_slices_are_named(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    datasets = slices(stored, "CT")
    paths = save(datasets, tmp_path)
    datasets[2].save_as(tmp_path / "copy.dcm")
    message = refused(tmp_path)
    assert str(paths[2]) in message
    assert str(tmp_path / "copy.dcm") in message


def test_uneven_spacing_is_refused(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    datasets = slices(stored, "CT")
    for dataset in datasets[3:]:
        dataset.ImagePositionPatient[2] += 2.0
    save(datasets, tmp_path)
    message = refused(tmp_path)
    assert "not evenly spaced" in message
    assert "7.00 mm" in message


def test_rounded_positions_are_even_enough(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    datasets = slices(stored, "CT")
    datasets[2].ImagePositionPatient[2] += 0.1
    save(datasets, tmp_path)
    assert read_series(tmp_path, "CT").grid.spacing[2] == pytest.approx(5.0)


def test_a_tilted_gantry_is_refused(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    datasets = slices(stored, "CT")
    for z, dataset in enumerate(datasets):
        dataset.ImagePositionPatient[1] += z * 5.0 * math.tan(math.radians(10))
    save(datasets, tmp_path)
    assert "tilted gantry" in refused(tmp_path)


def test_one_image_is_not_a_volume(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    save(slices(stored[:1], "CT"), tmp_path)
    assert "only image of its series" in refused(tmp_path)


def test_multi_frame_objects_are_refused(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    save(slices(stored, "CT", NumberOfFrames="6"), tmp_path)
    assert "multi-frame" in refused(tmp_path)


@pytest.mark.parametrize(
    ("keyword", "value", "named"),
    [
        ("PixelSpacing", ["2", "2"], "Pixel Spacing (0028,0030)"),
        ("ImageOrientationPatient", ["0", "1", "0", "1", "0", "0"], "(0020,0037)"),
        ("Rows", 4, "image size"),
    ],
)
def test_slices_that_differ_are_refused(
    stored: npt.NDArray[np.int16], tmp_path: Path, keyword: str, value: Any, named: str
) -> None:
    datasets = slices(stored, "CT")
    setattr(datasets[4], keyword, value)
    save(datasets, tmp_path)
    assert named in refused(tmp_path)


@pytest.mark.parametrize(
    ("keyword", "tag"),
    [
        ("SeriesInstanceUID", "(0020,000E)"),
        ("PixelSpacing", "(0028,0030)"),
        ("ImageOrientationPatient", "(0020,0037)"),
        ("ImagePositionPatient", "(0020,0032)"),
        ("Rows", "(0028,0010)"),
        ("Columns", "(0028,0011)"),
    ],
)
def test_a_missing_geometry_tag_is_named(stored: npt.NDArray[np.int16], tmp_path: Path, keyword: str, tag: str) -> None:
    datasets = slices(stored, "CT")
    delattr(datasets[5], keyword)
    paths = save(datasets, tmp_path)
    message = refused(tmp_path)
    assert tag in message
    assert str(paths[5]) in message


def test_directions_that_are_not_perpendicular_are_refused(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    save(slices(stored, "CT", ImageOrientationPatient=["1", "0", "0", "0.6", "0.8", "0"]), tmp_path)
    assert "(0020,0037)" in refused(tmp_path)


@pytest.mark.parametrize(("keyword", "tag"), [("RescaleSlope", "(0028,1053)"), ("RescaleIntercept", "(0028,1052)")])
def test_a_missing_rescale_tag_is_named(stored: npt.NDArray[np.int16], tmp_path: Path, keyword: str, tag: str) -> None:
    save(slices(stored, "CT", **{keyword: None}), tmp_path)
    with pytest.raises(InputError) as caught:
        read_series(tmp_path, "CT").array()
    assert tag in str(caught.value)


def test_pixels_cut_short_are_refused(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    datasets = slices(stored, "CT")
    datasets[1].PixelData = b"\0\0"
    path = save(datasets, tmp_path)[1]
    with pytest.raises(InputError, match="cannot be decoded") as caught:
        read_series(tmp_path, "CT").array()
    assert str(path) in str(caught.value)


def test_a_damaged_header_is_refused(stored: npt.NDArray[np.int16], tmp_path: Path) -> None:
    path = save(slices(stored, "CT"), tmp_path)[0]
    path.write_bytes(path.read_bytes()[:180])
    assert str(path) in refused(tmp_path)


def test_a_header_that_tells_another_size_than_its_pixels_is_refused(
    stored: npt.NDArray[np.int16], tmp_path: Path
) -> None:
    save(slices(stored, "CT", Rows=1), tmp_path)
    with pytest.raises(InputError, match=r"\(0028,0010\)") as caught:
        read_series(tmp_path, "CT").array()
    assert "\n" not in str(caught.value)
