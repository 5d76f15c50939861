from __future__ import annotations

from pathlib import Path

import pytest

from sam_pet.cohort.studies import find_studies
from sam_pet.errors import InputError


@pytest.mark.parametrize(
    "text",
    [
        "name,ct\nA,x\n",
        "pet,tumour\nx,y\n",
        "pet,ct\n,x\n",
        "pet\nx,y\n",
        "pet\n",
        "pet,pet\nx,y\n",
        "pet,ct,ct\nx,,y\n",
    ],
)
def test_a_table_that_names_no_studies_is_refused(text: str, tmp_path: Path) -> None:
    table = tmp_path / "studies.csv"
    table.write_text(text)
    with pytest.raises(InputError, match="studies"):
        find_studies(table)


def test_a_folder_without_a_pet_is_a_study_that_fails_and_not_one_passed_over(tmp_path: Path) -> None:
    for name in ("A", "B"):
        (tmp_path / name).mkdir()
    (tmp_path / "A" / "SUV.mha").touch()
    assert [study.pet.name for study in find_studies(tmp_path)] == ["SUV.mha", "SUV.nii.gz"]
