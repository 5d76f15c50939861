"""Files that leave a session, and volumes that windows get: read back they hold what the session holds."""

from __future__ import annotations

import io
import json
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pydicom
import pytest
import SimpleITK as sitk

from sam_pet.dicom.rtstruct import read_rtstruct, roi_names
from sam_pet.dicom.series import read_series
from sam_pet.files import read_image
from sam_pet.study import Study, study_of_images
from tests.app.serving import Caller, Labels


@pytest.fixture
def session(client: Caller, studies: dict[str, str]) -> str:
    """Two painted lesions on the DICOM study."""
    name = client.begin(studies["dicom"])
    for place in ([20, 24, 10], [44, 24, 30]):
        client.json(
            "POST", f"/sessions/{name}/brush", {"mode": "paint", "path": [place], "radius_mm": 11, "shape": "ball"}
        )
    client.json("PATCH", f"/sessions/{name}/lesions/2", {"name": "node, left"})
    return name


@pytest.fixture
def labels(client: Caller, session: str, study: Study) -> Labels:
    return client.labels(session, study.grid.shape)


def fetch(client: Caller, session: str, kind: str, folder: Path) -> Path:
    answer = client.get(f"/api/sessions/{session}/exports/{kind}")
    assert answer.status_code == 200, answer.text
    path = folder / answer.headers["content-disposition"].split('"')[1]
    path.write_bytes(answer.content)
    return path


def test_dicom_objects_hold_the_mask_and_the_measurements(
    client: Caller, session: str, labels: Labels, cases: Path, tmp_path: Path
) -> None:
    assert set(np.unique(labels)) == {0, 1, 2}
    grid = read_series(cases / "dicom" / "PET", "PET").grid
    structure = fetch(client, session, "rtstruct", tmp_path)
    assert roi_names(structure) == ["Lesion 1", "node, left"]
    assert np.array_equal(read_rtstruct(structure, "node, left", grid), labels == 2)
    segmentation = pydicom.dcmread(fetch(client, session, "seg", tmp_path))
    assert int(segmentation.pixel_array.sum()) == int((labels > 0).sum())
    report = fetch(client, session, "sr", tmp_path)
    checked = subprocess.run(["dciodvfy", report], capture_output=True, text=True, check=False)
    assert not [line for line in checked.stderr.splitlines() if line.startswith("Error")]
    text = str(pydicom.dcmread(report))
    rows = client.json("GET", f"/sessions/{session}")["lesions"]
    for row in rows:
        for column in ("volume_ml", "suv_max", "suv_peak", "tlg"):
            assert f"{float(f'{row[column]:.8g}')}"[:7] in text
    assert "Total Lesion Glycolysis" in text


def test_images_and_tables_hold_the_mask_and_the_measurements(
    client: Caller, session: str, labels: Labels, tmp_path: Path
) -> None:
    for kind in ("nifti", "seg.nrrd"):
        image = read_image(fetch(client, session, kind, tmp_path), kind)
        assert np.array_equal(sitk.GetArrayFromImage(image), labels)
    assert image.GetMetaData("Segment1_Name") == "node, left"
    rows = client.json("GET", f"/sessions/{session}")["lesions"]
    table = pd.read_csv(fetch(client, session, "csv", tmp_path))
    assert list(table["name"]) == ["Lesion 1", "node, left"]
    assert list(table["tlg"]) == [row["tlg"] for row in rows]
    told = json.loads(fetch(client, session, "json", tmp_path).read_text())
    assert told["lesions"] == rows
    assert fetch(client, session, "pdf", tmp_path).read_bytes().startswith(b"%PDF")
    assert "node" not in fetch(client, session, "html", tmp_path).read_text("utf-8")[:200]


def test_an_empty_session_and_a_study_without_dicom_say_what_cannot_be(client: Caller, studies: dict[str, str]) -> None:
    empty, images = client.begin(studies["dicom"]), client.begin(studies["one"])
    assert "no lesion" in client.json("GET", f"/sessions/{empty}/exports/seg", status=409)["error"]
    client.json("POST", f"/sessions/{images}/brush", {"mode": "paint", "path": [[20, 24, 10]], "radius_mm": 9})
    assert "not DICOM" in client.json("GET", f"/sessions/{images}/exports/rtstruct", status=409)["error"]
    client.json("GET", f"/sessions/{images}/exports/exe", status=422)
    assert len(pd.read_csv(io.BytesIO(client.get(f"/api/sessions/{empty}/exports/csv").content))) == 0


@pytest.mark.parametrize("kind", ["pet", "ct"])
def test_volumes_are_those_of_the_study_raw_and_as_nifti(
    client: Caller, session: str, study: Study, kind: str, tmp_path: Path
) -> None:
    base = f"/api/sessions/{session}/volumes/{kind}"
    expected = study.pet if kind == "pet" else study.ct
    assert expected is not None
    raw = client.get(base)
    values = np.frombuffer(raw.content, "<f4").reshape(study.grid.shape)
    assert np.allclose(values, expected, atol=0.006)
    coarse = client.get(f"{base}?type=int16")
    slope = float(coarse.headers["x-slope"])
    assert np.abs(np.frombuffer(coarse.content, "<i2").reshape(values.shape) * slope - values).max() <= slope
    for number in ("float32", "int16"):
        path = tmp_path / "volume.nii"
        path.write_bytes(client.get(f"{base}?form=nifti&type={number}").content)
        image = read_image(path, kind)
        assert np.allclose(sitk.GetArrayFromImage(image), values, atol=0.001)
        content = client.json("GET", f"/sessions/{session}")["grid"]
        for told, found in zip(
            ("spacing", "origin", "direction"),
            (image.GetSpacing(), image.GetOrigin(), image.GetDirection()),
            strict=True,
        ):
            assert np.allclose(content[told], found, atol=1e-4)
    again = client.get(base, headers={"If-None-Match": raw.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert (
        study_of_images(None, sitk.Cast(image, sitk.sitkFloat32), None, path).pet.shape == values.shape
        if kind == "pet"
        else True
    )


def test_a_session_may_leave_the_ct_out(client: Caller, studies: dict[str, str]) -> None:
    session = client.begin(studies["dicom"], ct="none")
    assert client.json("GET", f"/sessions/{session}")["has_ct"] is False
    client.json("GET", f"/sessions/{session}/volumes/ct", status=404)
    client.json("POST", "/sessions", {"study": studies["dicom"], "pet": "none"}, 422)
    client.json("POST", "/sessions", {"study": "none"}, 404)


def test_uploads_become_studies(client: Caller, cases: Path) -> None:
    files = sorted((cases / "two").glob("*.nii.gz"))
    upload = client.json("POST", "/uploads", {"bytes": sum(path.stat().st_size for path in files)})["id"]
    for number, path in enumerate(files):
        answer = client.put(
            f"/api/uploads/{upload}/files/{number}", params={"name": path.name}, content=path.read_bytes()
        )
        assert answer.status_code == 204
    made = client.json("POST", f"/uploads/{upload}/done")
    assert (made["source"], [series["modality"] for series in made["series"]]) == ("upload", ["CT", "PT"])
    session = client.begin(made["id"])
    assert client.json("GET", f"/sessions/{session}")["suv_max"] == 12
    client.json("DELETE", f"/studies/{made['id']}")
    assert made["id"] not in [row["id"] for row in client.json("GET", "/studies")["studies"]]


def test_a_zip_of_dicom_becomes_a_study_too(client: Caller, cases: Path, tmp_path: Path) -> None:
    import shutil

    packed = Path(shutil.make_archive(str(tmp_path / "study"), "zip", cases / "dicom")).read_bytes()
    upload = client.json("POST", "/uploads", {"bytes": len(packed)})["id"]
    client.put(f"/api/uploads/{upload}/files/0", params={"name": "study.zip"}, content=packed)
    made = client.json("POST", f"/uploads/{upload}/done")
    assert (made["dicom"], sorted(series["images"] for series in made["series"])) == (True, [40, 40])
    session = client.begin(made["id"])
    assert client.json("GET", f"/sessions/{session}")["has_ct"]
    client.json("DELETE", f"/sessions/{session}")
    client.json("GET", f"/sessions/{session}", status=404)
