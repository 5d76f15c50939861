import numpy as np
import pytest

from sam_pet.train.augment import _thinned
from sam_pet.train.crops import Crop


def column(length: int, seed: int, lesion: bool = True) -> Crop:
    """A crop of one voxel a slice whose PET counts the slices; the object is everything but the first and last."""
    mask = np.zeros((length, 1, 1), bool)
    mask[1:-1] = lesion
    pet = np.arange(length, dtype=np.float32).reshape(-1, 1, 1)
    return Crop(pet - 1000, pet, mask, (4.0, 4.0, 3.0), (0, 0, seed))


def test_thinned_crop_keeps_every_second_slice_and_the_seed() -> None:
    thin = _thinned(column(20, seed=7), 2)
    assert thin.pet.ravel().tolist() == [1, 3, 5, 7, 9, 11, 13, 15, 17, 19]
    assert thin.ct is not None
    assert thin.ct.ravel().tolist() == (thin.pet.ravel() - 1000).tolist()
    assert thin.pet[thin.seed[2], 0, 0] == 7
    assert thin.mask[thin.seed[2], 0, 0]
    assert thin.spacing == (4.0, 4.0, 6.0)
    assert thin.mask.sum() == 9


@pytest.mark.parametrize("step", [2, 3])
def test_short_lesion_is_not_thinned(step: int) -> None:
    crop = column(6 * step + 1, seed=4)
    assert _thinned(crop, step) is crop


def test_hot_spot_is_thinned_by_the_length_of_its_crop() -> None:
    crop = column(18, seed=5, lesion=False)
    thin = _thinned(crop, 3)
    assert thin.pet.ravel().tolist() == [2, 5, 8, 11, 14, 17]
    assert thin.seed == (0, 0, 1)
