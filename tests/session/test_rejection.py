import numpy as np
import pytest

from sam_pet.boxes import MaskBox
from sam_pet.geometry import Grid
from sam_pet.session.rejection import is_contralateral
from sam_pet.settings import DEFAULTS
from sam_pet.study import Study


@pytest.fixture
def study() -> Study:
    """A ball of uptake that fades outward, middle (30, 30, 10), SUV 10 there and 2 at 12 mm; voxels of 2 mm."""
    z, y, x = np.mgrid[:21, :60, :100].astype(np.float32)
    away = 2 * np.sqrt((x - 30) ** 2 + (y - 30) ** 2 + (z - 10) ** 2)
    return Study(np.maximum(10 - away * 8 / 12, 0), None, Grid((100, 60, 21), (2.0, 2.0, 2.0)))


def ball(middle: tuple[int, int, int], radius: int = 6) -> MaskBox:
    z, y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1, -radius : radius + 1]
    return MaskBox((middle[0] - radius, middle[1] - radius, middle[2] - radius), x**2 + y**2 + z**2 <= radius**2)


def test_masks_on_both_sides_mirror_each_other_when_alike(study: Study) -> None:
    pet = study.pet + study.pet[:, :, ::-1]
    twins = Study(pet, None, study.grid)
    left, right = ball((30, 30, 10)), ball((69, 30, 10))
    middle_mm = 2 * 49.5
    assert is_contralateral(twins, left, right, middle_mm, DEFAULTS.lesions)
    assert is_contralateral(twins, right, left, middle_mm, DEFAULTS.lesions)
    assert not is_contralateral(twins, left, left, middle_mm, DEFAULTS.lesions)
    assert not is_contralateral(twins, left, ball((69, 30, 10), radius=3), middle_mm, DEFAULTS.lesions)
    assert not is_contralateral(twins, left, right, 2 * 30.0, DEFAULTS.lesions)
    faint = Study(np.where(np.arange(100) < 50, pet, 0.5 * pet).astype(np.float32), None, study.grid)
    assert not is_contralateral(faint, left, right, middle_mm, DEFAULTS.lesions)
