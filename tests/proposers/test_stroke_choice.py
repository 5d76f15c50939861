import numpy as np
import pytest

from sam_pet.boxes import MaskBox
from sam_pet.geometry import Grid
from sam_pet.proposers.stroke_choice import rejects_lesion
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


def line(*voxels: tuple[int, int, int]) -> np.ndarray:
    return np.array(voxels)


def test_stroke_through_the_middle_denies(study: Study) -> None:
    assert rejects_lesion(study, ball((30, 30, 10)), line(*((x, 30, 10) for x in range(25, 36))))


def test_stroke_along_the_rim_does_not_deny(study: Study) -> None:
    assert not rejects_lesion(study, ball((30, 30, 10)), line((25, 28, 10), (25, 29, 10), (24, 30, 10), (25, 31, 10)))


def test_stroke_beside_the_mask_does_not_deny(study: Study) -> None:
    assert not rejects_lesion(study, ball((30, 30, 10)), line((50, 30, 10), (51, 30, 10)))


def test_hot_stroke_denies_even_at_the_rim_of_the_mask(study: Study) -> None:
    # The mask is off the uptake's middle, which lies at its rim.
    assert rejects_lesion(study, ball((35, 30, 10)), line(*((x, y, 10) for x in (30, 31) for y in range(25, 36))))


def test_a_stroke_of_few_voxels_does_not_deny(study: Study) -> None:
    assert not rejects_lesion(study, ball((30, 30, 10)), line((30, 29, 10), (30, 30, 10), (30, 31, 10)))


def test_a_reader_who_comes_back_draws_on(study: Study) -> None:
    mask, stroke = ball((30, 30, 10)), line(*((x, 30, 10) for x in range(28, 33)))
    earlier = line(*((x, 31, 10) for x in range(28, 33)))
    assert not rejects_lesion(study, mask, stroke)
    assert rejects_lesion(study, mask, stroke, [earlier])
    # A small mask is all rim.
    small, middle = ball((30, 30, 10), radius=2), line((30, 30, 10), (31, 30, 10))
    assert not rejects_lesion(study, small, middle, [line((29, 30, 10), (29, 31, 10))])
    # Neither at the rim, however often, nor off the largest section.
    rim = [line((25, 28, 10), (25, 29, 10), (24, 30, 10), (25, 31, 10))] * 4
    assert not rejects_lesion(study, mask, rim[0], rim)
    assert not rejects_lesion(study, mask, line(*((x, 30, 13) for x in range(28, 33))), [earlier])


def test_a_stroke_off_the_largest_section_carves(study: Study) -> None:
    assert not rejects_lesion(study, ball((30, 30, 10)), line(*((x, 30, 13) for x in range(28, 33))))
