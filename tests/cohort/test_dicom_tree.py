from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import generate_uid

from sam_pet.cohort.studies import find_studies
from sam_pet.errors import InputError
from sam_pet.requests import read_request
from tests.cohort.inline import batch
from tests.dicom.make import pet_tags, save, slices

SHAPE = (6, 12, 10)


def pet(study: str) -> list[object]:
    stored = np.full(SHAPE, 300, np.int16)
    stored[3, 6, 5] = 9000
    return list(slices(stored, "PT", StudyInstanceUID=study, **pet_tags()))


def ct(study: str) -> list[object]:
    stored = np.full(SHAPE, 40, np.int16)
    stored[:, :2] = -1000
    return list(slices(stored, "CT", StudyInstanceUID=study))


def write(datasets: list[object], folder: Path) -> None:
    save(datasets, folder)  # type: ignore[arg-type]


def test_studies_are_named_by_their_folders_however_their_series_are_sorted(tmp_path: Path) -> None:
    one, two, three, report = (generate_uid() for _ in range(4))
    write(pet(one), tmp_path / "A" / "visit 1" / "PET")
    write(ct(one), tmp_path / "A" / "visit 1" / "CT")
    write([*pet(two), *ct(two)], tmp_path / "A" / "visit 2")
    write(pet(three), tmp_path / "B")
    # A CT alone is no study of ours.
    write(ct(report), tmp_path / "C")
    (tmp_path / "A" / "notes.txt").write_text("nothing")
    found = {study.name: study for study in find_studies(tmp_path)}
    assert list(found) == ["A_visit 1", "A_visit 2", "B"]
    assert found["B"].ct is None
    for name in ("A_visit 1", "A_visit 2"):
        study = read_request(found[name].pet, found[name].ct).study
        assert study.ct is not None
        assert study.ct.max() == pytest.approx(40)
        assert study.pet.argmax() == np.ravel_multi_index((3, 6, 5), SHAPE)


def test_studies_that_lie_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    one, two = generate_uid(), generate_uid()
    for number, uid in enumerate((one, two)):
        for place, dataset in enumerate([*pet(uid), *(ct(uid) if number else [])]):
            dataset.save_as(tmp_path / f"{number}-{place}.dcm", enforce_file_format=True)  # type: ignore[attr-defined]
    found = {study.name: study for study in find_studies(tmp_path)}
    assert set(found) == {one, two}
    assert read_request(found[one].pet, found[one].ct).study.ct is None
    assert read_request(found[two].pet, found[two].ct).study.ct is not None


def test_a_study_with_several_series_among_those_of_others_is_listed_as_failed(tmp_path: Path) -> None:
    one, two = generate_uid(), generate_uid()
    for number, datasets in enumerate((pet(one), pet(one), pet(two))):
        for place, dataset in enumerate(datasets):
            dataset.save_as(  # type: ignore[attr-defined]
                tmp_path / f"{number}-{place}.dcm", enforce_file_format=True
            )
    told = {manifest["name"]: manifest for manifest in batch(tmp_path, tmp_path.with_name("out"))}
    assert "2 series" in told[one]["error"]
    assert "error" not in told[two]


def test_a_folder_of_neither_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "A").mkdir()
    (tmp_path / "A" / "x.txt").write_text("nothing")
    with pytest.raises(InputError, match="holds none"):
        find_studies(tmp_path)
