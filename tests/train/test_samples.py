from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sam_pet.cases import find_cases
from sam_pet.files import write_image
from sam_pet.sam2.clips import ClipRecipe
from sam_pet.sam2.frames import RECIPES
from sam_pet.train.crops import CropFolder, read_crop
from sam_pet.train.samples import ClipDataset, SampleSettings
from sam_pet.train.store import ExampleStore
from tests.fakes import two_lesion_study
from tests.train.cases import write_cases


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cases(tmp_path_factory.mktemp("cases"))


@pytest.fixture(scope="module")
def crops(cases: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return CropFolder(ExampleStore(tmp_path_factory.mktemp("store"))).prepare(find_cases(cases))


def dataset(crops: list[Path], lesions: float = 1.0, seed: int = 0, length: int = 5) -> ClipDataset:
    settings = SampleSettings(RECIPES["petct"], ClipRecipe(first_mm=64), 64, length=length, lesions=lesions)
    return ClipDataset([(crops, 1.0)], settings, size=50, seed=seed)


def test_each_lesion_has_a_crop_that_holds_it_whole(crops: list[Path]) -> None:
    lesions = [read_crop(p) for p in crops if "lesion" in p.name]
    assert len(lesions) == 4
    for crop in lesions:
        assert crop.is_lesion
        assert crop.mask.sum() * np.prod(crop.spacing) / 1000 == pytest.approx(4 / 3 * np.pi * 1.4**3, rel=0.2)
        assert (crop.pet[crop.mask] > 5).all()
        assert crop.spacing == (5.0, 5.0, 4.0)


@pytest.fixture(scope="module")
def with_hot_spot(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Crops of a case whose upper ball is not labelled: hot, but no lesion."""
    folder = write_cases(tmp_path_factory.mktemp("cases"), count=1)
    study = two_lesion_study()
    truth = (study.pet > 5).astype(np.uint8)
    truth[20:] = 0
    write_image(study.grid.image(truth), folder / "case 0" / "SEG.nii.gz")
    return CropFolder(ExampleStore(tmp_path_factory.mktemp("store"))).prepare(find_cases(folder))


def test_hot_spots_are_not_lesions(with_hot_spot: list[Path]) -> None:
    crops = [read_crop(p) for p in with_hot_spot]
    spots = [crop for crop in crops if not crop.is_lesion]
    assert len(crops) - len(spots) == 1
    assert any(crop.pet[crop.seed[::-1]] > 5 for crop in spots)
    assert not any(crop.mask.any() for crop in spots)


def test_crops_are_made_once(cases: Path, crops: list[Path]) -> None:
    before = {p: p.stat().st_mtime_ns for p in crops}
    again = CropFolder(ExampleStore(crops[0].parents[1])).prepare(find_cases(cases))
    assert again == crops
    assert {p: p.stat().st_mtime_ns for p in again} == before


def test_a_sample_depends_on_its_number_and_the_seed_alone(crops: list[Path]) -> None:
    one, two, other = dataset(crops), dataset(crops), dataset(crops, seed=1)
    _ = two[5]
    np.testing.assert_array_equal(one[3].frames, two[3].frames)
    np.testing.assert_array_equal(one[3].points, two[3].points)
    assert one[3].seed == two[3].seed != other[3].seed


def test_prompts_lie_on_the_truth_and_shapes_fit(crops: list[Path]) -> None:
    for number in range(20):
        sample = dataset(crops)[number]
        assert sample.frames.shape == (5, 3, 64, 64)
        assert sample.truth.shape == (5, 64, 64)
        assert np.isfinite(sample.frames).all()
        assert sample.truth[sample.anchor].any()
        assert len(sample.points) == len(sample.labels) <= 8
        if (sample.labels == 1).all():
            u, v = sample.points.astype(int).T
            assert (sample.truth[sample.anchor][v, u] == 1).all()
        else:
            assert sample.labels.tolist() == [2, 3]


def test_hot_spot_samples_have_no_truth(with_hot_spot: list[Path]) -> None:
    samples = dataset(with_hot_spot, lesions=0.0)
    assert not any(samples[n].truth.any() for n in range(5))
