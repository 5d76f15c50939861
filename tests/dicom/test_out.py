"""DICOM SEG and RTSTRUCT read back by other libraries, and checked by dciodvfy."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import numpy.typing as npt
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from sam_pet.dicom.rtstruct import read_rtstruct, roi_names, write_rtstruct
from sam_pet.dicom.seg import write_seg
from sam_pet.dicom.series import Series, read_series
from sam_pet.errors import InputError
from sam_pet.geometry import Grid

from .make import AXIAL, FRAME_OF_REFERENCE, PATIENT, STUDY, pet_tags, save, slices

Labels = npt.NDArray[np.uint16]
OBLIQUE = (0.8, 0.6, 0.0, -0.36, 0.48, 0.8)


@pytest.fixture
def dciodvfy() -> Callable[[Path], list[str]]:
    """The errors that dciodvfy (Debian: dicom3tools) finds in a file."""
    program = shutil.which("dciodvfy")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs dciodvfy: apt-get install dicom3tools")
        pytest.skip("no dciodvfy on the PATH (Debian: dicom3tools)")

    def errors(path: Path) -> list[str]:
        done = subprocess.run([program, path], capture_output=True, text=True, check=False)
        lines = (done.stdout + done.stderr).splitlines()
        assert lines, "dciodvfy said nothing"
        return [line for line in lines if line.startswith("Error")]

    return errors


@pytest.fixture
def rt_utils_mask() -> Callable[[Path, Path, str], npt.NDArray[np.bool_]]:
    """The mask [z, y, x] that rt-utils reads: folder of the series, structure set, name of the ROI."""
    try:
        from rt_utils import RTStructBuilder
    except ImportError as error:
        if os.environ.get("CI"):
            raise
        # Its OpenCV needs a graphics library that small machines lack.
        pytest.skip(f"rt-utils cannot be imported ({error}; Debian: libgl1)")

    def mask(folder: Path, path: Path, name: str) -> npt.NDArray[np.bool_]:
        builder = RTStructBuilder.create_from(str(folder), str(path))
        read: npt.NDArray[np.bool_] = builder.get_roi_mask_by_name(name).transpose(2, 0, 1)
        return read

    return mask


@pytest.fixture(params=["axial", "oblique"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    spacing, orientation = {
        "axial": ((4.0, 3.0, 5.0), AXIAL),
        "square axial": ((4.0, 4.0, 5.0), AXIAL),
        "oblique": ((4.0, 4.0, 5.0), OBLIQUE),
    }[request.param]
    stored = np.ones((7, 12, 12), np.int16)
    save(slices(stored, "PT", spacing=spacing, orientation=orientation, **pet_tags()), tmp_path / "pet")
    return tmp_path / "pet"


@pytest.fixture
def series(folder: Path) -> Series:
    return read_series(folder, "PET")


@pytest.fixture
def labels() -> Labels:
    """Lesion 1 with a hole and a piece apart, 4 in a corner of the image, 9 of three voxels, two by a corner."""
    made = np.zeros((7, 12, 12), np.uint16)
    made[1:4, 2:8, 3:9] = 1
    made[2, 4:6, 5:7] = 0
    made[2, 10, 2:5] = 1
    made[0, 0:2, 0:3] = 4
    made[6, 11, 11] = made[6, 10, 10] = made[5, 10, 10] = 9
    return made


def same(mask: npt.NDArray[Any], expected: npt.NDArray[Any]) -> bool:
    return bool(np.array_equal(mask > 0, expected))


def test_highdicom_reads_the_same_voxels_from_the_seg(series: Series, labels: Labels, tmp_path: Path) -> None:
    write_seg(labels, series, tmp_path / "seg.dcm", model="default")
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    back = seg.get_pixels_by_source_instance([header.SOPInstanceUID for header in series.slices])
    for number, lesion in enumerate((1, 4, 9)):
        assert same(back[..., number], labels == lesion)


def test_frames_of_the_seg_lie_where_their_source_slices_do(series: Series, labels: Labels, tmp_path: Path) -> None:
    write_seg(labels, series, tmp_path / "seg.dcm", model="default")
    seg = dcmread(tmp_path / "seg.dcm")
    back = np.zeros((3, *series.grid.shape), bool)
    for frame, groups in zip(seg.pixel_array, seg.PerFrameFunctionalGroupsSequence, strict=True):
        position = groups.PlanePositionSequence[0].ImagePositionPatient
        x, y, z = series.grid.to_voxel([float(c) for c in position])
        assert (x, y) == pytest.approx((0, 0), abs=1e-3)
        segment = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        back[segment - 1, round(z)] = frame
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedSOPInstanceUID == series.slices[round(z)].SOPInstanceUID
    for number, lesion in enumerate((1, 4, 9)):
        assert same(back[number], labels == lesion)


def test_the_seg_describes_its_segments_and_refers_to_its_source(
    series: Series, labels: Labels, tmp_path: Path
) -> None:
    write_seg(labels, series, tmp_path / "seg.dcm", model="tiny", names={4: "Liver, segment 4"})
    seg = dcmread(tmp_path / "seg.dcm")
    assert seg.StudyInstanceUID == STUDY
    assert seg.FrameOfReferenceUID == FRAME_OF_REFERENCE
    assert str(seg.PatientName) == PATIENT["PatientName"]
    assert seg.SeriesInstanceUID != series.slices[0].SeriesInstanceUID
    (source,) = seg.ReferencedSeriesSequence
    assert source.SeriesInstanceUID == series.slices[0].SeriesInstanceUID
    assert [s.SegmentLabel for s in seg.SegmentSequence] == ["Lesion 1", "Liver, segment 4", "Lesion 9"]
    for segment in seg.SegmentSequence:
        assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == "Lesion"
        assert segment.SegmentAlgorithmType == "SEMIAUTOMATIC"
        assert segment.SegmentAlgorithmName == "sam_pet tiny"
        assert "tracer Fluorodeoxyglucose" in segment.SegmentDescription
    assert len({s.TrackingUID for s in seg.SegmentSequence}) == 3


def test_the_tracer_may_be_given_and_may_be_unknown(labels: Labels, tmp_path: Path) -> None:
    bare = pet_tags(RadiopharmaceuticalInformationSequence=None)
    save(slices(np.ones((7, 12, 12), np.int16), "PT", **bare), tmp_path / "pet")
    series = read_series(tmp_path / "pet", "PET")
    for tracer, said in ((None, "tracer not stated"), ("68Ga-PSMA-11", "tracer 68Ga-PSMA-11")):
        write_seg(labels, series, tmp_path / "seg.dcm", model="default", tracer=tracer)
        assert said in dcmread(tmp_path / "seg.dcm").SegmentSequence[0].SegmentDescription
        write_rtstruct(labels, series, tmp_path / "rt.dcm", model="default", tracer=tracer)
        assert said in dcmread(tmp_path / "rt.dcm").StructureSetROISequence[0].ROIDescription


# rt-utils mixes up the two spacings of pixels that are not square.
@pytest.mark.parametrize("folder", ["square axial", "oblique"], indirect=True)
def test_rt_utils_reads_the_same_voxels_from_the_structure_set(
    rt_utils_mask: Callable[[Path, Path, str], npt.NDArray[np.bool_]],
    folder: Path,
    series: Series,
    labels: Labels,
    tmp_path: Path,
) -> None:
    write_rtstruct(labels, series, tmp_path / "rt.dcm", model="default")
    for lesion in (1, 4, 9):
        assert same(rt_utils_mask(folder, tmp_path / "rt.dcm", f"Lesion {lesion}"), labels == lesion)


def test_our_reader_reads_the_same_voxels_from_the_structure_set(
    series: Series, labels: Labels, tmp_path: Path
) -> None:
    write_rtstruct(labels, series, tmp_path / "rt.dcm", model="default", names={1: "GTV"})
    assert roi_names(tmp_path / "rt.dcm") == ["GTV", "Lesion 4", "Lesion 9"]
    for lesion, name in ((1, "GTV"), (4, "Lesion 4"), (9, "Lesion 9")):
        assert same(read_rtstruct(tmp_path / "rt.dcm", name, series.grid), labels == lesion)


def test_contours_enclose_the_area_of_the_voxels(series: Series, labels: Labels, tmp_path: Path) -> None:
    write_rtstruct(labels, series, tmp_path / "rt.dcm", model="default")
    (contour,) = dcmread(tmp_path / "rt.dcm").ROIContourSequence[1].ContourSequence
    points = series.grid.to_voxel(np.reshape([float(c) for c in contour.ContourData], (-1, 3)))
    assert points[:, 2] == pytest.approx(0, abs=1e-3)
    x, y = points[:, 0], points[:, 1]
    area = abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2
    assert area == pytest.approx(6, rel=0.05)
    (image,) = contour.ContourImageSequence
    assert image.ReferencedSOPInstanceUID == series.slices[0].SOPInstanceUID


@pytest.mark.parametrize("write", [write_seg, write_rtstruct])
def test_dciodvfy_finds_no_error(
    dciodvfy: Callable[[Path], list[str]],
    write: Callable[..., None],
    series: Series,
    labels: Labels,
    tmp_path: Path,
) -> None:
    write(labels, series, tmp_path / "out.dcm", model="default")
    assert dciodvfy(tmp_path / "out.dcm") == []


def test_dciodvfy_finds_errors_where_there_are_some(
    dciodvfy: Callable[[Path], list[str]], series: Series, labels: Labels, tmp_path: Path
) -> None:
    write_rtstruct(labels, series, tmp_path / "rt.dcm", model="default")
    broken = dcmread(tmp_path / "rt.dcm")
    del broken.StructureSetLabel
    broken.save_as(tmp_path / "broken.dcm")
    assert any("StructureSetLabel" in line for line in dciodvfy(tmp_path / "broken.dcm"))


@pytest.mark.parametrize("write", [write_seg, write_rtstruct])
def test_a_series_without_patient_and_study_details_will_do(
    dciodvfy: Callable[[Path], list[str]], write: Callable[..., None], labels: Labels, tmp_path: Path
) -> None:
    absent = dict.fromkeys((*PATIENT, "PatientSex", "StudyID", "StudyDate", "StudyTime", "AccessionNumber"), None)
    save(slices(np.ones((7, 12, 12), np.int16), "PT", **(pet_tags() | absent)), tmp_path / "pet")
    write(labels, read_series(tmp_path / "pet", "PET"), tmp_path / "out.dcm", model="default")
    assert dciodvfy(tmp_path / "out.dcm") == []


@pytest.mark.parametrize("write", [write_seg, write_rtstruct])
def test_what_cannot_be_written_leaves_no_file(write: Callable[..., None], labels: Labels, tmp_path: Path) -> None:
    save(slices(np.ones((7, 12, 12), np.int16), "PT", FrameOfReferenceUID=None), tmp_path / "pet")
    series = read_series(tmp_path / "pet", "PET")
    with pytest.raises(InputError, match=r"\(0020,0052\)"):
        write(labels, series, tmp_path / "out.dcm", model="default")
    with pytest.raises(InputError, match="no lesion to write"):
        write(np.zeros_like(labels), series, tmp_path / "out.dcm", model="default")
    with pytest.raises(ValueError, match="are not on a grid"):
        write(labels[1:], series, tmp_path / "out.dcm", model="default")
    assert not (tmp_path / "out.dcm").exists()


@pytest.fixture
def structure_set(series: Series, labels: Labels, tmp_path: Path) -> Path:
    write_rtstruct(labels, series, tmp_path / "rt.dcm", model="default")
    return tmp_path / "rt.dcm"


def test_an_unknown_roi_lists_those_there_are(structure_set: Path, series: Series) -> None:
    with pytest.raises(InputError, match="it has Lesion 1, Lesion 4, Lesion 9"):
        read_rtstruct(structure_set, "GTV", series.grid)


def test_an_roi_without_closed_contours_is_refused(structure_set: Path, series: Series) -> None:
    broken = dcmread(structure_set)
    broken.ROIContourSequence[1].ContourSequence[0].ContourGeometricType = "POINT"
    broken.save_as(structure_set)
    with pytest.raises(InputError, match="no closed planar contours"):
        read_rtstruct(structure_set, "Lesion 4", series.grid)


def test_contours_across_the_slices_or_beside_the_image_are_refused(structure_set: Path, series: Series) -> None:
    grid = series.grid
    turned = Grid(grid.size, grid.spacing, grid.origin, tuple(np.roll(np.reshape(grid.direction, (3, 3)), 1, 1).flat))
    with pytest.raises(InputError, match="not parallel"):
        read_rtstruct(structure_set, "Lesion 1", turned)
    beside = Grid(grid.size, grid.spacing, tuple(grid.to_world((500, 0, 0))), grid.direction)
    with pytest.raises(InputError, match="holds no voxel"):
        read_rtstruct(structure_set, "Lesion 1", beside)


def test_files_that_are_no_structure_set_are_refused(folder: Path, series: Series, tmp_path: Path) -> None:
    (tmp_path / "text.dcm").write_text("nothing")
    for path, said in (
        (tmp_path / "absent.dcm", "no such file"),
        (tmp_path / "text.dcm", "not a DICOM file"),
        (next(folder.iterdir()), "not an RTSTRUCT"),
    ):
        with pytest.raises(InputError, match=said):
            read_rtstruct(path, "GTV", series.grid)


def test_contours_fill_a_grid_of_other_slices(structure_set: Path, series: Series, labels: Labels) -> None:
    grid = series.grid
    x, y, z = grid.spacing
    fine = Grid((12, 12, 14), (x, y, z / 2), tuple(grid.to_world((0, 0, -0.25))), grid.direction)
    mask = read_rtstruct(structure_set, "Lesion 1", fine)
    assert same(mask, np.repeat(labels == 1, 2, axis=0))


def test_the_real_lesion_survives_both_ways_out(
    data: Path,
    dciodvfy: Callable[[Path], list[str]],
    rt_utils_mask: Callable[[Path, Path, str], npt.NDArray[np.bool_]],
    tmp_path: Path,
) -> None:
    folder = data / "dicom" / "STS_001" / "PET"
    series = read_series(folder, "PET")
    mask = sitk.GetArrayFromImage(sitk.ReadImage(data / "wholebody/STS_001/SEG.nii.gz")) > 0
    write_seg(mask.astype(np.uint16), series, tmp_path / "seg.dcm", model="default")
    write_rtstruct(mask.astype(np.uint16), series, tmp_path / "rt.dcm", model="default")

    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    back = seg.get_pixels_by_source_instance([header.SOPInstanceUID for header in series.slices])
    assert same(back[..., 0], mask)
    there = rt_utils_mask(folder, tmp_path / "rt.dcm", "Lesion 1")
    assert 2 * (there & mask).sum() / (there.sum() + mask.sum()) >= 0.98
    assert dciodvfy(tmp_path / "seg.dcm") == []
    assert dciodvfy(tmp_path / "rt.dcm") == []
