"""Studies from DICOM folders, synthetic and real."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.dicom.read import read_ct, read_pet
from sam_pet.dicom.rtstruct import read_rtstruct, roi_names
from sam_pet.dicom.series import read_series
from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.study import read_study

from .make import PATIENT, pet_tags, save, slices


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """CT of 2 x 2 x 2 mm about the middle of a PET of 4 x 4 x 4 mm; its value is 10 x + 20 y + 30 z in mm."""
    x, y, z = np.arange(12) * 2.0 + 10, np.arange(14) * 2.0 + 10, np.arange(10) * 2.0 + 10
    ramp = 10 * x + 20 * y[:, None] + 30 * z[:, None, None] - 1000
    ct = slices(ramp.astype(np.int16), "CT", spacing=(2.0, 2.0, 2.0), origin=(10.0, 10.0, 10.0))
    stored = np.random.default_rng(2).integers(0, 20000, (12, 14, 13), dtype=np.int16)
    pet = slices(stored, "PT", spacing=(4.0, 4.0, 4.0), origin=(0.0, 0.0, 0.0), **pet_tags())
    save(ct, tmp_path / "ct")
    save(pet, tmp_path / "pet")
    return tmp_path / "ct", tmp_path / "pet"


def test_ct_off_the_pet_grid_is_resampled_in_space(folders: tuple[Path, Path]) -> None:
    study = read_study(*folders)
    assert study.grid.size == (13, 14, 12)
    assert study.ct is not None
    # Voxel (4, 5, 6) of the PET is at 16, 20, 24 mm.
    assert study.ct[6, 5, 4] == pytest.approx(10 * 16 + 20 * 20 + 30 * 24 - 1000)
    assert study.ct[0, 0, 0] == -1000


def test_image_files_and_dicom_folders_mix(folders: tuple[Path, Path], tmp_path: Path) -> None:
    sitk.WriteImage(read_ct(folders[0]), tmp_path / "ct.mha")
    sitk.WriteImage(read_pet(folders[1]), tmp_path / "pet.nii.gz")
    whole = read_study(*folders)
    for ct, pet in (("ct.mha", folders[1]), (folders[0], "pet.nii.gz"), ("ct.mha", "pet.nii.gz")):
        mixed = read_study(tmp_path / ct, tmp_path / pet)
        assert mixed.pet == pytest.approx(whole.pet)
        assert mixed.ct == pytest.approx(whole.ct)


def test_one_file_of_a_series_stands_for_the_series(folders: tuple[Path, Path]) -> None:
    one = next(folders[1].iterdir())
    bare = one.with_suffix("")
    one.rename(bare)
    assert read_study(None, bare).pet.shape == (12, 14, 13)


def test_one_folder_may_hold_both(folders: tuple[Path, Path], tmp_path: Path) -> None:
    both = read_study(tmp_path, tmp_path)
    assert both.pet == pytest.approx(read_study(*folders).pet)
    assert both.ct is not None


def test_lean_body_mass_suv_is_an_option(folders: tuple[Path, Path]) -> None:
    by_weight, lean = read_pet(folders[1]), read_pet(folders[1], weighting="lbm")
    # A woman of 70 kg and 1.75 m has 45.19701 kg of lean mass.
    expected = sitk.GetArrayFromImage(by_weight) * 45.19701 / 70
    assert sitk.GetArrayFromImage(lean) == pytest.approx(expected, rel=1e-5)


def test_different_frames_of_reference_are_warned_of(
    folders: tuple[Path, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        read_study(*folders)
        assert "frames of reference" not in caplog.text
        x = np.zeros((4, 8, 8), np.int16)
        x[1:3] = -1000
        other = slices(x, "CT", origin=(10.0, 10.0, 10.0), FrameOfReferenceUID="1.2.3.4")
        save(other, tmp_path / "other")
        read_study(tmp_path / "other", folders[1])
    assert "different frames of reference" in caplog.text
    assert not any(value in caplog.text for value in PATIENT.values())


def test_a_folder_without_dicom_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no DICOM series of modality PT"):
        read_study(None, tmp_path)


def test_the_error_without_pydicom_names_the_extra(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['pydicom'] = None\n"
        "from sam_pet.study import read_study\n"
        "from sam_pet.errors import InputError\n"
        "try: read_study(None, sys.argv[1])\n"
        "except InputError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert "pip install 'sam-pet[dicom]'" in done.stdout


def test_the_ge_series_has_the_published_suv(data: Path) -> None:
    study = read_study(data / "dicom/STS_001/CT_crop", data / "dicom/STS_001/PET")
    published = sitk.ReadImage(data / "wholebody/STS_001/SUV.nii.gz")
    assert study.grid.same_as(Grid.of(published))
    suv = sitk.GetArrayFromImage(published)
    body = suv > 0.1
    assert np.mean(np.abs(study.pet - suv)[body] / suv[body]) < 1e-3
    # Muscle and bone of the thigh round the tumour are in the CT crop, where they belong.
    assert study.ct is not None
    tumour = sitk.GetArrayFromImage(sitk.ReadImage(data / "wholebody/STS_001/SEG.nii.gz")) > 0
    assert 0 < np.median(study.ct[tumour]) < 80


def test_the_structure_set_has_the_published_mask(data: Path) -> None:
    folder = data / "dicom" / "STS_001"
    grid = read_series(folder / "PET", "PET").grid
    assert roi_names(folder / "RTSTRUCT.dcm") == ["GTV_Mass", "GTV_Edema"]
    mask = read_rtstruct(folder / "RTSTRUCT.dcm", "GTV_Mass", grid) > 0
    published = sitk.GetArrayFromImage(sitk.ReadImage(data / "wholebody/STS_001/SEG.nii.gz")) > 0
    assert 2 * (mask & published).sum() / (mask.sum() + published.sum()) >= 0.97
