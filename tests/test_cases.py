from __future__ import annotations

import json
import re

import numpy as np
import pytest

from sam_pet.cases import find_cases
from sam_pet.errors import InputError
from sam_pet.geometry import Grid
from tests.images import GRID, ct_array, pet_array, write


def truth_array() -> np.ndarray:
    return (pet_array() > 5).astype(np.uint8)


@pytest.fixture
def nnunet(tmp_path):
    for folder in ("imagesTr", "labelsTr"):
        (tmp_path / folder).mkdir()
    for name in ("psma_b_2020", "fdg_a  1_2019"):
        write(tmp_path / "imagesTr" / f"{name}_0000.nii.gz", ct_array())
        write(tmp_path / "imagesTr" / f"{name}_0001.nii.gz", pet_array())
        write(tmp_path / "labelsTr" / f"{name}.nii.gz", truth_array())
    return tmp_path


@pytest.fixture
def folders(tmp_path):
    for name in ("case 2", "case  1"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "CTres.nii.gz", ct_array())
        write(tmp_path / name / "SUV.nii.gz", pet_array())
        write(tmp_path / name / "SEG.nii.gz", truth_array())
    return tmp_path


class TestLayouts:
    def test_nnunet_names_with_double_spaces_too(self, nnunet):
        cases = find_cases(nnunet)
        assert [case.name for case in cases] == ["fdg_a  1_2019", "psma_b_2020"]
        study = cases[0].study()
        assert np.array_equal(study.ct, ct_array())
        assert np.array_equal(study.pet, pet_array())
        assert np.array_equal(cases[0].mask(study.grid), truth_array())

    def test_a_folder_a_case(self, folders):
        cases = find_cases(str(folders))
        assert [case.name for case in cases] == ["case  1", "case 2"]
        study = cases[0].study()
        assert study.grid.same_as(GRID)
        assert cases[0].mask(study.grid).sum() == 1

    def test_a_case_without_ct_is_a_pet_alone(self, folders):
        (folders / "case 2" / "CTres.nii.gz").unlink()
        assert find_cases(folders)[1].ct is None
        assert find_cases(folders)[1].study().ct is None

    def test_folders_and_files_of_other_things_are_passed_over(self, folders):
        (folders / "notes").mkdir()
        (folders / "notes" / "read.me").write_text("")
        (folders / "list.txt").write_text("")
        assert len(find_cases(folders)) == 2

    def test_names_choose_cases_in_their_order(self, folders):
        assert [c.name for c in find_cases(folders, ["case 2", "case  1"])] == ["case 2", "case  1"]

    def test_what_macos_and_killed_runs_leave_is_no_case(self, nnunet):
        for place in ("imagesTr/psma_b_2020_0001", "labelsTr/psma_b_2020", "labelsTr/other"):
            folder, name = place.split("/")
            for prefix in ("._", ".partial-abcdef-1-"):
                (nnunet / folder / f"{prefix}{name}.nii.gz").write_bytes(b"\0\5\x16\7")
        (nnunet / "labelsTr" / ".DS_Store").write_bytes(b"")
        assert [case.name for case in find_cases(nnunet)] == ["fdg_a  1_2019", "psma_b_2020"]

    def test_what_macos_leaves_in_folders_is_no_case(self, folders):
        (folders / "._case 2").mkdir()
        for name in ("._SUV.nii.gz", "._SEG.nii.gz", "._CTres.nii.gz", ".DS_Store"):
            (folders / "case 2" / name).write_bytes(b"\0\5\x16\7")
        assert [case.name for case in find_cases(folders)] == ["case  1", "case 2"]
        assert find_cases(folders)[1].study().grid.same_as(GRID)

    @pytest.mark.parametrize("suffix", [".mha", ".nrrd", ".nii"])
    @pytest.mark.parametrize("told", [True, False])
    def test_nnunet_in_other_formats(self, tmp_path, suffix, told):
        for folder, name, array in (
            ("imagesTr", "a_0000", ct_array()),
            ("imagesTr", "a_0001", pet_array()),
            ("labelsTr", "a", truth_array()),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            write(tmp_path / folder / f"{name}{suffix}", array)
        if told:
            (tmp_path / "dataset.json").write_text(json.dumps({"file_ending": suffix}))
        (case,) = find_cases(tmp_path)
        assert case.mask(case.study().grid).sum() == 1

    def test_an_ending_that_is_not_read_is_told(self, nnunet):
        for path in nnunet.rglob("*.nii.gz"):
            path.rename(path.with_name(path.name.replace(".nii.gz", ".png")))
        with pytest.raises(InputError, match=r"end in '\.png'; read are"):
            find_cases(nnunet)

    @pytest.mark.parametrize("left", ["Thumbs.db", "Icon", "A.txt", "A.json", "@eaDir/A.nii.gz", "#a.nii.gz#"])
    def test_what_systems_leave_beside_one_image_is_no_image(self, tmp_path, left):
        for folder, name, array in (
            ("imagesTr", "a_0000", ct_array()),
            ("imagesTr", "a_0001", pet_array()),
            ("labelsTr", "a", truth_array()),
        ):
            (tmp_path / folder / left).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / folder / left).write_bytes(b"left")
            write(tmp_path / folder / f"{name}.nii.gz", array)
        assert [case.name for case in find_cases(tmp_path)] == ["a"]

    def test_cases_in_another_format_than_most_are_told_to_be_left_out(self, nnunet, caplog):
        for folder, name in (("imagesTr", "c_0000"), ("imagesTr", "c_0001"), ("labelsTr", "c")):
            write(nnunet / folder / f"{name}.mha", pet_array())
        assert len(find_cases(nnunet)) == 2
        assert "end in .mha (1) besides those in .nii.gz" in caplog.text

    def test_one_part_in_two_files_is_refused(self, folders):
        write(folders / "case 2" / "SUV.mha", pet_array())
        with pytest.raises(InputError, match="'case 2' has more than one SUV"):
            find_cases(folders)

    def test_a_label_file_without_suffix_twin_is_not_a_case(self, nnunet):
        (nnunet / "labelsTr" / "dataset.json").write_text("{}")
        assert len(find_cases(nnunet)) == 2


class TestNames:
    def test_autopet_names_hold_tracer_patient_and_centre(self, nnunet):
        fdg, psma = find_cases(nnunet)
        assert (fdg.tracer, fdg.patient, fdg.centre) == ("fdg", "a  1", "UKT")
        assert (psma.tracer, psma.patient, psma.centre) == ("psma", "b", "LMU")

    def test_other_names_are_patients_of_their_own(self, folders):
        case = find_cases(folders)[0]
        assert (case.tracer, case.patient, case.centre) == (None, "case  1", None)


class TestFaults:
    def test_no_such_folder(self, tmp_path):
        with pytest.raises(InputError, match=r"^cases: no such folder: .*gone$"):
            find_cases(tmp_path / "gone")

    def test_neither_layout(self, tmp_path):
        (tmp_path / "imagesTs").mkdir()
        with pytest.raises(
            InputError, match=r"holds neither imagesTr/ with labelsTr/ nor folders with SUV\.nii\.gz and"
        ):
            find_cases(tmp_path)

    def test_an_unknown_name_says_what_there_is(self, folders):
        with pytest.raises(InputError, match=r"has no case 'case 1'; it has 2 cases, 'case  1' first$"):
            find_cases(folders, ["case 2", "case 1"])

    @pytest.mark.parametrize(
        "missing",
        ["imagesTr/psma_b_2020_0000.nii.gz", "imagesTr/psma_b_2020_0001.nii.gz", "labelsTr/psma_b_2020.nii.gz"],
    )
    def test_a_missing_file_of_nnunet(self, nnunet, missing):
        (nnunet / missing).unlink()
        name = re.escape(missing.rsplit("/", 1)[1])
        with pytest.raises(
            InputError, match=rf"^cases: case 'psma_b_2020' lacks {name}; add .*{name} or remove the case"
        ):
            find_cases(nnunet)

    @pytest.mark.parametrize("missing", ["SUV.nii.gz", "SEG.nii.gz"])
    def test_a_missing_file_of_a_folder(self, folders, missing):
        (folders / "case 2" / missing).unlink()
        with pytest.raises(InputError, match=rf"^cases: case 'case 2' lacks {re.escape(missing)}; add"):
            find_cases(folders)

    def test_labels_on_another_grid(self, folders):
        size = Grid((12, 10, 5), GRID.spacing, GRID.origin)
        write(folders / "case 2" / "SEG.nii.gz", np.zeros(size.shape, np.uint8), size)
        case = find_cases(folders)[1]
        with pytest.raises(
            InputError, match=r"different grids \(12 x 10 x 5 against 12 x 10 x 6 voxels\).*SEG\.nii\.gz"
        ):
            case.mask(GRID)
        shifted = Grid(GRID.size, GRID.spacing, (0.0, 0.0, 0.0))
        write(folders / "case 2" / "SEG.nii.gz", truth_array(), shifted)
        with pytest.raises(
            InputError, match=r"different grids \(equal sizes, but other spacing, origin or direction\)"
        ):
            case.mask(GRID)

    @pytest.mark.parametrize("value", [2, 0.5, -1])
    def test_labels_that_are_not_binary(self, folders, value):
        wrong = truth_array().astype(np.float32)
        wrong[0, 0, :3] = value
        write(folders / "case 2" / "SEG.nii.gz", wrong)
        with pytest.raises(InputError, match=rf"is not a binary mask: 3 voxels hold other .* \(such as {value:g}\)"):
            find_cases(folders)[1].mask(GRID)

    def test_labels_as_floats_are_labels(self, folders):
        write(folders / "case 2" / "SEG.nii.gz", truth_array().astype(np.float32))
        mask = find_cases(folders)[1].mask(GRID)
        assert mask.dtype == np.uint8
        assert np.array_equal(mask, truth_array())


def test_real_cases_are_found_and_read(data):
    cases = find_cases(data / "sts", ["STS_001", "STS_031"])
    for case in cases:
        study = case.study()
        assert study.ct is not None
        assert 17 < case.mask(study.grid).sum() * study.grid.voxel_ml < 2400
