from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from sam_pet.cases import find_cases
from sam_pet.cli.app import main
from sam_pet.errors import InputError
from sam_pet.phantom import GROUPS, Phantom, RealLesion, RealPatient, make_phantom, make_wide, read_patients
from sam_pet.phantom.frame import parse_grid

NAME, SEED = "psma_one_2000", 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map as the real ones are, of a phantom's organs, with a table of two lesions and strokes on three."""
    root = tmp_path_factory.mktemp("maps")
    drawn = make_phantom(3, "psma", parse_grid("80x60x110@7x7x8.5"), lesion_free=True)
    organs = np.where(drawn.organs <= 10, drawn.organs, 0).astype(np.uint8)
    (root / "organs").mkdir()
    sitk.WriteImage(drawn.study.grid.image(organs), str(root / "organs" / f"{NAME}.nii.gz"))
    liver, lung, spleen = (np.argwhere(organs == code)[len(np.argwhere(organs == code)) // 2] for code in (3, 5, 1))
    rows = [[NAME, *place[::-1], 40.0, 20.0, 8.0, 0.5] for place in (liver, lung)]
    head = "case,x,y,z,volume_ml,suv_max,suv_mean,sphericity"
    (root / "lesions.csv").write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]))
    strokes = [[int(v) for v in place[::-1]] for place in (liver, spleen)]
    (root / "strokes.json").write_text(json.dumps({NAME: strokes}))
    return root


@pytest.fixture(scope="module")
def patient(folder: Path) -> RealPatient:
    (one,) = read_patients(folder)
    return one


@pytest.fixture(scope="module")
def wide(patient: RealPatient) -> Phantom:
    return make_wide(SEED, patient, without=("body", "scanner"))


def test_lesions_are_those_of_the_table_and_a_small_one_at_the_stroke_that_is_on_none(patient: RealPatient) -> None:
    made = make_wide(SEED, patient, without=GROUPS)
    assert len(patient.lesions) == 2
    assert len(made.facts["lesions"]) == 3
    volumes = sorted(lesion["volume_ml"] for lesion in made.facts["lesions"])
    assert volumes[0] < 2
    assert volumes[1:] == pytest.approx([40, 40], rel=0.25)
    for lesion in patient.lesions:
        x, y, z = lesion.voxels[0]
        assert made.lesions[z - 2 : z + 3, y - 2 : y + 3, x - 2 : x + 3].any()


def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(patient: RealPatient, wide: Phantom) -> None:
    again = make_wide(SEED, patient, without=("body", "scanner"))
    assert again.study.pet.tobytes() == wide.study.pet.tobytes()
    assert np.array_equal(again.lesions, wide.lesions)
    other = make_wide(SEED + 1, patient, without=("body", "scanner"))
    assert other.study.pet.tobytes() != wide.study.pet.tobytes()


def test_leaving_a_group_out_changes_nothing_that_the_others_draw(patient: RealPatient, wide: Phantom) -> None:
    usual = make_wide(SEED, patient, without=GROUPS)
    fewer = make_wide(SEED, patient, without=("body", "scanner", "ct"))
    assert fewer.facts["organ_suv"] == wide.facts["organ_suv"] != usual.facts["organ_suv"]
    assert fewer.facts["wide"] == ["lesions", "uptake"]
    assert fewer.facts["scanner"]["fwhm_mm"] == wide.facts["scanner"]["fwhm_mm"] == usual.facts["scanner"]["fwhm_mm"]
    assert fewer.facts["scanner"]["ct_noise_hu"] == usual.facts["scanner"]["ct_noise_hu"]
    assert fewer.facts["scanner"]["ct_noise_hu"] != wide.facts["scanner"]["ct_noise_hu"]
    assert fewer.study.pet.shape == wide.study.pet.shape


def test_uptake_is_wider_than_the_usual_and_of_no_one_tracer(patient: RealPatient) -> None:
    others = ("body", "scanner", "ct", "lesions")
    liver = [make_wide(seed, patient, without=others).facts["organ_suv"]["liver"] for seed in range(6)]
    usual = [make_wide(seed, patient, without=GROUPS).facts["organ_suv"]["liver"] for seed in range(6)]
    assert max(liver) / min(liver) > max(usual) / min(usual)


def test_a_scan_may_be_cut_and_its_truth_and_facts_are_cut_with_it(patient: RealPatient) -> None:
    others = ("uptake", "scanner", "ct", "lesions")
    depths = set()
    for seed in range(5):
        made = make_wide(seed, patient, without=others)
        depths.add(made.study.pet.shape[0])
        assert made.lesions.shape == made.study.pet.shape == made.study.grid.shape
        for lesion in made.facts["lesions"]:
            assert lesion["label"] in made.lesions
            assert 0 <= lesion["centre"][2] < made.study.grid.size[2]
    assert len(depths) > 1


def test_coarser_voxels_keep_places_in_mm(patient: RealPatient) -> None:
    image, coarse = patient.read(14.0)
    fine, _ = patient.read()
    assert image.GetSpacing() == (14.0, 14.0, 14.0)
    for one, other in zip(patient.lesions, coarse.lesions, strict=True):
        there = [fine.TransformIndexToPhysicalPoint(one.voxels[0])]
        here = [image.TransformIndexToPhysicalPoint(other.voxels[0])]
        assert np.abs(np.subtract(here, there)).max() <= 7.01


def test_rounder_lesions_are_less_irregular() -> None:
    lobed, ball = (RealLesion(((0, 0, 0),), 1.0, 8.0, 4.0, sphericity).look for sphericity in (0.4, 0.66))
    assert lobed.wild > ball.wild


def test_an_unknown_group_and_a_folder_without_maps_are_named(patient: RealPatient, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no group 'noise'"):
        make_wide(0, patient, without=("noise",))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="neither organs"):
        read_patients(tmp_path)


def test_the_command_writes_wide_studies(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = [
        "phantom",
        "--out",
        str(tmp_path / "o"),
        "--maps",
        str(folder),
        "--seed",
        "5",
        "--layout",
        "folders",
        "--json",
    ]
    with pytest.raises(SystemExit) as end:
        main([*args, "--without", "body"])
    assert end.value.code == 0
    report = json.loads(capsys.readouterr().out)
    (case,) = find_cases(tmp_path / "o")
    assert report["cases"][0]["case"] == case.name == "phantom_psma_00005"
    with pytest.raises(SystemExit) as end:
        main(["phantom", "--out", str(tmp_path / "p"), "--without", "body"])
    assert end.value.code == 2
    assert not (tmp_path / "p").exists()
