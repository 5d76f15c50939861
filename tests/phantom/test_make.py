"""Phantoms as training and tests rely on them: truth, tissues, geometry, seeds."""

from __future__ import annotations

import json
from pathlib import Path

import cc3d
import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from sam_pet.phantom import Phantom, Tissue, Tracer, make_phantom
from sam_pet.phantom.frame import DIRECTION, challenge_grid, parse_grid

COARSE = parse_grid("80x60x110@7x7x8.5")


@pytest.fixture(scope="module")
def fdg() -> Phantom:
    return make_phantom(3, "fdg", COARSE, lesion_free=False)


@pytest.fixture(scope="module")
def psma() -> Phantom:
    return make_phantom(5, "psma", COARSE, lesion_free=False)


def mean(phantom: Phantom, tissue: Tissue, what: str = "pet") -> float:
    inside = (phantom.organs == tissue) & (phantom.lesions == 0)
    return float(getattr(phantom.study, what)[inside].mean())


def test_same_seed_gives_the_same_voxels_and_facts_and_another_seed_does_not(fdg: Phantom) -> None:
    again = make_phantom(3, "fdg", COARSE, lesion_free=False)
    assert fdg.study.ct is not None
    assert again.study.ct is not None
    assert np.array_equal(fdg.study.pet, again.study.pet)
    assert np.array_equal(fdg.study.ct, again.study.ct)
    assert np.array_equal(fdg.lesions, again.lesions)
    assert np.array_equal(fdg.organs, again.organs)
    assert fdg.facts == again.facts
    assert not np.array_equal(fdg.study.pet, make_phantom(4, "fdg", COARSE).study.pet)


@pytest.mark.parametrize("seed", [3, 11])
@pytest.mark.parametrize("tracer", ["fdg", "psma"])
def test_every_lesion_is_one_component_and_touches_no_other(seed: int, tracer: Tracer) -> None:
    phantom = make_phantom(seed, tracer, COARSE, lesion_free=False)
    numbers = [lesion["label"] for lesion in phantom.facts["lesions"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert numbers
    assert sorted(np.unique(phantom.lesions)) == [0, *numbers]
    _, count = cc3d.connected_components((phantom.lesions > 0).astype(np.uint8), connectivity=18, return_N=True)
    assert count == len(numbers)


def test_facts_give_volume_and_uptake_of_each_lesion(fdg: Phantom) -> None:
    for lesion in fdg.facts["lesions"]:
        inside = fdg.lesions == lesion["label"]
        assert lesion["volume_ml"] == pytest.approx(inside.sum() * fdg.study.grid.voxel_ml, rel=1e-3)
        assert lesion["suv_max"] == pytest.approx(fdg.study.pet[inside].max(), abs=1e-3)
        centre = np.argwhere(inside).mean(axis=0)[::-1]
        assert np.abs(centre - lesion["centre"]).max() <= 0.51
    assert fdg.facts["simulated"] is True
    assert json.loads(json.dumps(fdg.facts))["seed"] == 3


def test_lesion_free_study_has_no_lesion() -> None:
    phantom = make_phantom(3, "fdg", COARSE, lesion_free=True)
    assert not phantom.lesions.any()
    assert phantom.facts["lesions"] == []


def test_fdg_lights_up_the_brain_and_psma_the_salivary_glands_and_kidneys(fdg: Phantom, psma: Phantom) -> None:
    assert mean(fdg, Tissue.BRAIN) > 2 * mean(fdg, Tissue.LIVER)
    assert mean(psma, Tissue.BRAIN) < 1
    assert mean(psma, Tissue.KIDNEY) > 2 * mean(psma, Tissue.BLOOD)
    assert mean(psma, Tissue.SALIVARY) > 2 * mean(fdg, Tissue.SALIVARY)
    for phantom in (fdg, psma):
        assert mean(phantom, Tissue.LIVER) > mean(phantom, Tissue.MUSCLE) > mean(phantom, Tissue.OUTSIDE)


def test_ct_shows_air_lung_fat_muscle_and_bone_in_this_order(fdg: Phantom) -> None:
    order = (Tissue.OUTSIDE, Tissue.LUNG, Tissue.FAT, Tissue.MUSCLE, Tissue.CORTEX)
    values = [mean(fdg, tissue, "ct") for tissue in order]
    assert values == sorted(values)
    assert values[0] < -950
    assert -900 < values[1] < -600
    assert 0 < values[3] < 90


def test_physiological_uptake_overlaps_that_of_lesions(fdg: Phantom) -> None:
    lesions = fdg.study.pet[fdg.lesions > 0]
    elsewhere = fdg.study.pet[fdg.lesions == 0]
    assert (elsewhere > np.median(lesions)).sum() > len(lesions)


def test_right_is_at_low_x_head_at_high_z_and_front_at_high_stored_y(fdg: Phantom) -> None:
    assert fdg.study.grid.direction == DIRECTION

    def centre(tissue: Tissue) -> np.ndarray:
        return np.argwhere(fdg.organs == tissue).mean(axis=0)

    z, y, x = range(3)
    assert centre(Tissue.LIVER)[x] < centre(Tissue.SPLEEN)[x]
    assert centre(Tissue.BRAIN)[z] > centre(Tissue.LUNG)[z] > centre(Tissue.BLADDER)[z]
    assert centre(Tissue.BLADDER)[y] > centre(Tissue.CORD)[y]


def test_stored_axes_may_run_any_way() -> None:
    turned = Grid((60, 110, 80), (7.0, 8.5, 7.0), direction=(0, 0, -1, 1, 0, 0, 0, 1, 0))
    phantom = make_phantom(3, "fdg", turned, lesion_free=False)
    view = phantom.study.order.view(phantom.organs)
    straight = make_phantom(3, "fdg", parse_grid("80x60x110@7x7x8.5"), lesion_free=False)
    assert np.array_equal(view, straight.study.order.view(straight.organs))


def test_a_short_grid_shows_a_part_of_the_trunk() -> None:
    phantom = make_phantom(7, "fdg", parse_grid("40x40x24@6x6x6"))
    assert phantom.study.pet.shape == (24, 40, 40)
    assert (phantom.organs > 0).mean() > 0.4


@pytest.mark.parametrize("tracer", ["fdg", "psma"])
def test_grids_are_those_of_the_challenge(tracer: Tracer) -> None:
    sizes = {challenge_grid(tracer, np.random.default_rng(i)).size for i in range(60)}
    wanted = (400, 400, 326) if tracer == "fdg" else (200, 200, 448)
    assert wanted in sizes
    assert all(135 <= z <= 963 for _, _, z in sizes)


@pytest.mark.parametrize(
    "text",
    [
        *("400x400@2x2x3", "4x4x4", "2x40x40@2x2x2", "40x40x40@0x2x2", "a", "99999x99999x99999@1x1x1"),
        *("40x40x40@0.001x2x2", "40x40x40@2x2x500", "900x40x40@20x2x2"),
    ],
)
def test_unusable_grid_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(InputError, match="grid") as caught:
        parse_grid(text)
    assert "\n" not in str(caught.value)


def organ_map(labels: np.ndarray) -> sitk.Image:
    return Grid(labels.shape[::-1], (7.0, 7.0, 8.5), direction=DIRECTION).image(labels)


def test_organ_map_is_kept_and_lesions_grow_at_the_seeds(fdg: Phantom) -> None:
    labels = np.where(fdg.organs <= 10, fdg.organs, 0).astype(np.uint8)
    z, y, x = (int(v) for v in np.argwhere(labels == Tissue.LIVER).mean(axis=0))
    seeds = [(x, y, z), (x + 1, y, z), (x, y, z - 12)]
    phantom = make_phantom(1, "psma", anatomy=organ_map(labels), seeds=seeds)
    assert phantom.study.grid.size == labels.shape[::-1]
    spleen = labels == Tissue.SPLEEN
    assert (phantom.organs[spleen] == Tissue.SPLEEN).all()
    found = phantom.lesions[z, y, x]
    assert found
    assert phantom.lesions[z, y, x + 1] == found
    assert phantom.lesions[z - 12, y, x] not in (0, found)
    assert len(phantom.facts["lesions"]) == 2


def test_organ_map_without_lungs_is_refused() -> None:
    with pytest.raises(InputError, match="no lungs"):
        make_phantom(1, "fdg", anatomy=organ_map(np.zeros((20, 20, 20), np.uint8)))


def test_seed_outside_the_grid_is_refused(fdg: Phantom) -> None:
    labels = np.where(fdg.organs <= 10, fdg.organs, 0).astype(np.uint8)
    with pytest.raises(InputError, match=r"seed \(200, 5, 5\)"):
        make_phantom(1, "fdg", anatomy=organ_map(labels), seeds=[(200, 5, 5)])


def test_body_is_fitted_round_a_real_organ_map(data: Path) -> None:
    case = sorted((data / "autopet" / "anatomy").glob("psma_f770*"))[0]
    image = sitk.ReadImage(str(case / "organs.nii.gz"))
    labels = sitk.GetArrayFromImage(image)
    phantom = make_phantom(2, "psma", anatomy=image, lesion_free=True)
    liver = labels == Tissue.LIVER
    assert (phantom.organs[liver] == Tissue.LIVER).mean() > 0.99
    # Something of the body lies on every side of the liver.
    z, y, x = (int(v) for v in np.argwhere(liver).mean(axis=0))
    row, column = phantom.organs[z, y] > 0, phantom.organs[z, :, x] > 0
    where = np.flatnonzero(liver[z, y])
    assert row[where[0] - 3]
    assert column[np.flatnonzero(liver[z, :, x])[[0, -1]] + (-3, 3)].all()
