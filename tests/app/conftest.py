"""One server for the tests that need no other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from sam_pet.app.settings import AppSettings
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study
from tests.app.serving import Caller, Served, write_case, write_dicom_study
from tests.fakes import random_segmenter, two_lesion_study


@pytest.fixture(scope="session")
def segmenter() -> Segmenter:
    return random_segmenter(largest_mm=64.0)


@pytest.fixture(scope="session")
def study() -> Study:
    return two_lesion_study()


@pytest.fixture(scope="session")
def cases(tmp_path_factory: pytest.TempPathFactory, study: Study) -> Path:
    """Two studies as images, `one` and a hotter `two`, and `dicom` of a patient with a hostile name."""
    root = tmp_path_factory.mktemp("cases")
    write_case(study, root / "one")
    write_case(replace(study, pet=study.pet * 1.5), root / "two")
    write_dicom_study(study, root / "dicom", PatientName="<img src=x onerror=alert(1)>", PatientID="=1+1")
    return root


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory, cases: Path, segmenter: Segmenter) -> Iterator[Served]:
    studies = (cases / "one", cases / "two", cases / "dicom")
    settings = AppSettings(tmp_path_factory.mktemp("app"), studies, readers=("reader", "other"))
    with Served(settings, segmenter) as server:
        yield server


@pytest.fixture
def client(served: Served) -> Iterator[Caller]:
    with served.client() as caller:
        yield caller


@pytest.fixture
def studies(client: Caller) -> dict[str, str]:
    """The ids of the studies by title; of the DICOM study by "dicom"."""
    found = client.json("GET", "/studies")["studies"]
    return {"dicom" if study["dicom"] else study["title"]: study["id"] for study in found}
