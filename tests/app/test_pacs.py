"""Studies from a real PACS, and results into it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest

from sam_pet.app.settings import AppSettings
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study
from tests.app.orthanc import fill, orthanc
from tests.app.serving import Caller, Served, events
from tests.dicom.make import STUDY


@dataclass
class Hospital:
    served: Served
    client: Caller
    rest: str


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory, cases: Path, segmenter: Segmenter) -> Iterator[Hospital]:
    with orthanc(tmp_path_factory.mktemp("orthanc")) as (rest, web):
        fill(rest, cases / "dicom")
        settings = AppSettings(tmp_path_factory.mktemp("app"), (cases / "one",), dicomweb=web)
        with Served(settings, segmenter) as served, served.client() as client:
            yield Hospital(served, client, rest)


def test_the_study_list_of_a_pacs_is_told_and_searched(hospital: Hospital) -> None:
    assert hospital.client.json("GET", "/about")["pacs"]
    (found,) = hospital.client.json("GET", "/pacs/studies")["studies"]
    assert found["uid"] == STUDY
    assert found["patient"] == "<img src=x onerror=alert(1)>"
    assert sorted(found["modalities"]) == ["CT", "PT"]
    assert found["images"] == 80
    assert hospital.client.json("GET", "/pacs/studies?patient=Nobody*")["studies"] == []
    assert hospital.client.json("GET", "/pacs/studies?date=20240101-20241231")["studies"] == [found]
    hospital.client.json("GET", "/pacs/studies?date=yesterday", status=422)


def test_a_study_is_fetched_read_and_its_lesions_are_stored(hospital: Hospital, study: Study, tmp_path: Path) -> None:
    client = hospital.client
    with events(hospital.served, None) as told:
        job = client.wait(client.json("POST", f"/pacs/studies/{STUDY}/load"))
    assert job["state"] == "done", job
    told_progress = [json.loads(data)["progress"] for kind, data in told if kind == "job"]
    assert len({value for value in told_progress if value is not None}) > 10
    offered = client.json("GET", f"/studies/{job['result']['study']}")
    assert (offered["source"], len(offered["series"])) == ("pacs", 2)
    session = client.begin(offered["id"])
    client.json("POST", f"/sessions/{session}/brush", {"mode": "paint", "path": [[20, 24, 10]], "radius_mm": 11})
    client.json("POST", f"/sessions/{session}/brush", {"mode": "paint", "path": [[44, 24, 30]], "radius_mm": 11})
    labels = client.labels(session, study.grid.shape)
    stored = client.wait(client.json("POST", f"/sessions/{session}/store", {"kinds": ["seg", "rtstruct", "sr"]}))
    assert stored["state"] == "done", stored
    found = {}
    for row in stored["result"]["stored"]:
        (name,) = httpx.post(f"{hospital.rest}/tools/lookup", content=row["uid"]).json()
        path = tmp_path / f"{row['kind']}.dcm"
        path.write_bytes(httpx.get(f"{hospital.rest}/instances/{name['ID']}/file").content)
        found[row["kind"]] = pydicom.dcmread(path)
    assert {kind: dataset.Modality for kind, dataset in found.items()} == {
        "seg": "SEG",
        "rtstruct": "RTSTRUCT",
        "sr": "SR",
    }
    assert {dataset.StudyInstanceUID for dataset in found.values()} == {STUDY}
    segmented = found["seg"]
    voxels = sum(int(frame.sum()) for frame in segmented.pixel_array)
    assert voxels == int((labels > 0).sum())
    assert str(found["seg"].SOPInstanceUID) in str(found["sr"])
    client.json("DELETE", f"/studies/{offered['id']}")
    client.json("GET", f"/studies/{offered['id']}", status=404)
    assert np.array_equal(client.labels(session, study.grid.shape), labels)


def test_a_fetch_can_be_cancelled_and_leaves_nothing(hospital: Hospital) -> None:
    client, folder = hospital.client, hospital.served.room.settings.folder / "studies"
    before = sorted(folder.iterdir())
    job = client.json("POST", f"/pacs/studies/{STUDY}/load")
    client.json("DELETE", f"/jobs/{job['id']}")
    assert client.wait(job)["state"] == "cancelled"
    assert sorted(folder.iterdir()) == before


def test_what_a_pacs_does_not_have_or_answer_is_one_sentence(
    hospital: Hospital, tmp_path: Path, segmenter: Segmenter
) -> None:
    client = hospital.client
    gone = client.wait(client.json("POST", "/pacs/studies/1.2.3/load"))
    assert (gone["state"], "\n" in gone["error"]) == ("failed", False)
    with (
        Served(AppSettings(tmp_path, dicomweb="http://127.0.0.1:9/none"), segmenter) as served,
        served.client() as deaf,
    ):
        assert "does not answer" in deaf.json("GET", "/pacs/studies", status=502)["error"]
    with Served(AppSettings(tmp_path), segmenter) as served, served.client() as without:
        assert "--dicomweb" in without.json("GET", "/pacs/studies", status=409)["error"]
