from __future__ import annotations

import json
import logging
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

import sam_pet
from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.study import AIR_HU, Study, read_study, study_of_images
from tests.images import GRID, ct_array, pet_array, write
from tests.memory import run_and_peak
from tests.test_geometry import ORIENTATIONS


@pytest.fixture
def pet_path(tmp_path):
    return write(tmp_path / "pet.nii.gz", pet_array())


@pytest.fixture
def ct_path(tmp_path):
    return write(tmp_path / "ct.mha", ct_array())


class TestReadStudy:
    @pytest.mark.parametrize("suffix", [".mha", ".nii.gz", ".nii", ".nrrd"])
    def test_volumes_are_float32_on_the_pet_grid(self, tmp_path, suffix):
        study = sam_pet.read_study(
            ct=write(tmp_path / f"ct{suffix}", ct_array()), pet=str(write(tmp_path / f"pet{suffix}", pet_array()))
        )
        assert (study.ct.dtype, study.pet.dtype) == (np.float32, np.float32)
        assert np.array_equal(study.ct, ct_array())
        assert np.array_equal(study.pet, pet_array())
        assert study.grid.same_as(GRID)

    def test_a_pet_alone(self, pet_path):
        study = read_study(None, pet_path)
        assert study.ct is None
        assert study.axial_ct is None

    def test_a_single_slice(self, tmp_path):
        grid = Grid((12, 10, 1), (4.0, 4.0, 5.0))
        study = read_study(
            write(tmp_path / "ct.mha", ct_array(grid), grid), write(tmp_path / "pet.mha", pet_array(grid), grid)
        )
        assert study.pet.shape == (1, 10, 12)
        assert np.array_equal(study.ct, ct_array(grid))

    def test_doubles_become_float32(self, tmp_path, ct_path):
        study = read_study(ct_path, write(tmp_path / "pet.nii", pet_array().astype(np.float64)))
        assert study.pet.dtype == np.float32

    def test_faults_of_files_name_the_volume(self, tmp_path, pet_path, ct_path):
        with pytest.raises(InputError, match=r"^PET: no such file"):
            read_study(ct_path, tmp_path / "no.mha")
        with pytest.raises(InputError, match=r"^CT: no such file"):
            read_study(tmp_path / "no.mha", pet_path)

    @pytest.mark.parametrize("suffix", [".mha", ".nii", ".nii.gz", ".nrrd"])
    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_voxels_that_are_no_numbers_are_counted(self, tmp_path, ct_path, pet_path, value, suffix):
        bad = pet_array()
        bad[2, 3, 4:6] = value
        path = write(tmp_path / f"bad{suffix}", bad)
        with pytest.raises(InputError, match=r"^PET: .*bad\..* has NaN or infinite voxels, 2 of them; export it again"):
            read_study(ct_path, path)
        bad = ct_array().astype(np.float64)
        bad[1, 1, 1] = value
        path = write(tmp_path / f"bad{suffix}", bad)
        with pytest.raises(InputError, match=r"^CT: .*bad\..* has NaN or infinite voxels, 1 of them; export it again"):
            read_study(path, pet_path)

    def test_pet_in_becquerel_says_how_to_convert(self, tmp_path, ct_path):
        path = write(tmp_path / "bq.mha", pet_array() * 2500)
        with pytest.raises(
            InputError, match=r"^PET: .*bq\.mha looks like Bq/mL .*20000.*SUV = Bq/mL x body weight in g"
        ):
            read_study(ct_path, path)

    def test_a_bright_bladder_is_still_suv(self, tmp_path, ct_path):
        assert read_study(ct_path, write(tmp_path / "pet.mha", pet_array() * 60)).pet.max() == 480

    def test_swapped_ct_and_pet_are_seen(self, ct_path, pet_path):
        with pytest.raises(InputError, match=r"^PET: .*ct\.mha is not in SUV .*check that CT and PET are not swapped"):
            read_study(pet_path, ct_path)

    @pytest.mark.parametrize(
        "wrong",
        [
            ct_array().astype(np.int32) + 1024,
            np.clip(ct_array(), -160, 240) + 160,
            np.full(GRID.shape, -1000, np.int16),
        ],
        ids=["no rescale intercept", "windowed to 0 and up", "constant"],
    )
    def test_ct_that_is_not_hu(self, tmp_path, pet_path, wrong):
        with pytest.raises(InputError, match=r"^CT: .*wrong\.mha is not in HU .*rescale slope and intercept"):
            read_study(write(tmp_path / "wrong.mha", wrong), pet_path)

    def test_ct_that_is_not_hu_is_seen_though_air_is_put_around_it(self, tmp_path, pet_path):
        half = Grid((6, 10, 6), GRID.spacing, GRID.origin)
        wrong = write(tmp_path / "wrong.mha", ct_array(half) + 1024, half)
        with pytest.raises(InputError, match=r"^CT: .*wrong\.mha is not in HU \(values 24 to 1064"):
            read_study(wrong, pet_path)

    @pytest.mark.parametrize("shift", [(60, 0, 0), (0, -60, 0), (0, 0, 900)])
    def test_ct_and_pet_that_are_apart(self, tmp_path, pet_path, shift):
        away = Grid(GRID.size, GRID.spacing, tuple(o + s for o, s in zip(GRID.origin, shift, strict=True)))
        path = write(tmp_path / "away.mha", ct_array(away), away)
        with pytest.raises(
            InputError, match=r"^CT and PET do not overlap in space: .*away\.mha and .*pet\.nii\.gz; check"
        ):
            read_study(path, pet_path)

    def test_a_ct_that_covers_little_is_warned_of(self, tmp_path, pet_path, caplog):
        part = Grid((12, 10, 2), GRID.spacing, GRID.origin)
        with caplog.at_level(logging.WARNING):
            read_study(write(tmp_path / "part.mha", ct_array(part), part), pet_path)
        assert "the CT covers 33 % of the PET; air is assumed elsewhere" in caplog.text

    def test_a_study_refuses_arrays_of_another_shape(self):
        with pytest.raises(ValueError, match=r"CT of shape \(1, 2, 3\) is not on a grid of shape \(6, 10, 12\)"):
            Study(pet_array(), np.zeros((1, 2, 3), np.float32), GRID)


def ramp(grid: Grid) -> np.ndarray:
    """HU that rise evenly in space: linear interpolation must return them exactly."""
    world = grid.to_world(np.moveaxis(np.indices(grid.size), 0, -1))
    return (world @ np.array([3.0, -2.0, 1.5]) - 200).transpose(2, 1, 0).astype(np.float32)


class TestResampling:
    @given(
        spacing=st.tuples(*[st.floats(0.8, 6.0)] * 3),
        shift=st.tuples(*[st.floats(0.0, 1.9)] * 3),
        orientation=st.sampled_from(ORIENTATIONS),
    )
    def test_a_linear_ramp_is_reproduced_whatever_the_ct_grid(self, spacing, shift, orientation):
        pet = Grid((6, 5, 4), (4.0, 4.0, 5.0), (-10.0, 7.0, 100.0))
        length = np.array(pet.size) * pet.spacing
        size = tuple(int(n) for n in np.ceil((np.abs(orientation.T) @ length + 10) / spacing) + 2)
        # The middle of the CT is near the middle of the PET: it covers it all, whichever way its axes run.
        loose = Grid(size, spacing, direction=tuple(orientation.ravel().tolist()))
        middle = pet.to_world((np.array(pet.size) - 1) / 2) + shift
        ct = Grid(size, spacing, tuple((middle - loose.to_world((np.array(size) - 1) / 2)).tolist()), loose.direction)
        study = study_of_images(ct.image(ramp(ct)), pet.image(pet_array(pet)), None, None)
        assert study.ct == pytest.approx(ramp(pet), abs=0.01)

    def test_outside_the_ct_is_air(self):
        half = Grid((6, 10, 6), GRID.spacing, GRID.origin)
        ct = np.full(half.shape, 40, np.int16)
        ct[0] = -1000
        study = study_of_images(half.image(ct), GRID.image(pet_array()), None, None)
        assert (study.ct[:, :, 6:] == AIR_HU).all()
        assert (study.ct[1:, :, :6] == 40).all()

    def test_a_ct_on_the_pet_grid_keeps_its_values_to_the_bit(self):
        noise = np.random.default_rng(0).normal(0, 300, GRID.shape).astype(np.float32)
        study = study_of_images(GRID.image(noise), GRID.image(pet_array()), None, None)
        assert np.array_equal(study.ct, noise)


class TestAxes:
    @pytest.mark.parametrize("orientation", ORIENTATIONS, ids=lambda o: "".join(map(str, o.astype(int).ravel())))
    def test_the_axial_view_is_the_same_patient_however_stored(self, tmp_path, orientation):
        """One patient written in each of the 48 orientations: same frames, and outputs on the grid as stored."""
        size = tuple(int(n) for n in np.abs(orientation.T) @ np.array([5, 4, 3]))
        stored = Grid(size, (2.0, 3.0, 4.0), direction=tuple(orientation.ravel().tolist()))
        low = stored.to_world(np.array(list(np.ndindex(2, 2, 2))) * (np.array(size) - 1)).min(axis=0)
        stored = Grid(size, stored.spacing, tuple((-low).tolist()), stored.direction)
        world = stored.to_world(np.moveaxis(np.indices(size), 0, -1))
        pet = (world @ [1.0, 10.0, 100.0]).transpose(2, 1, 0).astype(np.float32)
        study = read_study(None, write(tmp_path / "pet.nii.gz", pet, stored))
        x, y, z = (np.arange(n) * s for n, s in zip((5, 4, 3), study.frame_spacing, strict=True))
        expected = x + 10 * y[:, None] + 100 * z[:, None, None]
        assert study.axial_pet == pytest.approx(expected, abs=1e-3)
        back = study.grid.image(study.order.restore(study.axial_pet))
        assert Grid.of(back).same_as(stored)
        assert np.array_equal(sitk.GetArrayFromImage(back), pet)


MEASURED = """
import json, sys
import sam_pet

study = sam_pet.read_study(ct=sys.argv[1], pet=sys.argv[2])
print(json.dumps(study.grid.size))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_whole_body_study_is_read_within_1200_mb(tmp_path):
    grid = Grid((400, 400, 326), (2.04, 2.04, 3.0))
    rng = np.random.default_rng(0)
    one_slice = grid.shape[1:]
    ct = write(tmp_path / "ct.mha", np.broadcast_to(rng.integers(-1000, 1000, one_slice, np.int16), grid.shape), grid)
    pet = write(tmp_path / "pet.mha", np.broadcast_to(rng.random(one_slice, np.float32), grid.shape), grid)
    printed, peak = run_and_peak(MEASURED, ct, pet, folder=tmp_path)
    for path in (ct, pet):
        path.unlink()
    assert json.loads(printed) == [400, 400, 326]
    assert peak < 1.2
