"""What is outlined before a click."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from sam_pet.app.hover import region_at
from sam_pet.geometry import Grid
from sam_pet.study import Study

SPACING = (4.0, 4.0, 4.0)


def study_of(pet: npt.NDArray[np.floating]) -> Study:
    return Study(pet.astype(np.float32), None, Grid((80, 80, 80), SPACING))


@pytest.fixture(scope="module")
def body() -> npt.NDArray[np.float64]:
    """A body that fills the picture, with a mass of many peaks in it."""
    random = np.random.default_rng(0)
    pet = 0.6 + 0.2 * random.random((80, 80, 80))
    z, y, x = np.ogrid[:80, :80, :80]
    mass = (z - 40) ** 2 + (y - 40) ** 2 + (x - 40) ** 2 < 12**2
    pet[mass] = (4 + 4 * random.random((80, 80, 80)))[mass]
    return pet


def test_every_voxel_of_a_mass_of_many_peaks_is_in_the_region_of_the_whole(body: npt.NDArray[np.float64]) -> None:
    study, mass = study_of(body), body > 2
    random = np.random.default_rng(1)
    for z, y, x in random.permutation(np.argwhere(mass))[:30]:
        found = region_at(study, np.array([[x, y, z]]))
        assert found is not None
        box, region = found
        whole = np.zeros(mass.shape, bool)
        whole[box] = region
        assert whole[z, y, x]
        assert 2 * (whole & mass).sum() / (whole.sum() + mass.sum()) > 0.95


def test_beside_lesions_the_region_holds_the_pointer_and_is_not_the_body(body: npt.NDArray[np.float64]) -> None:
    study = study_of(body)
    for voxel in ((5, 40, 40), (74, 70, 10), (40, 5, 75)):
        found = region_at(study, np.array([voxel]))
        assert found is not None
        box, region = found
        assert region[tuple(v - s.start for v, s in zip(voxel[::-1], box, strict=True))]
        assert region.sum() < 0.05 * body.size


def test_where_nothing_is_taken_up_there_is_none() -> None:
    assert region_at(study_of(np.zeros((80, 80, 80))), np.array([[40, 40, 40]])) is None
