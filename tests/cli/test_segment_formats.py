"""`sam-pet segment` between DICOM series, Slicer's markups and what clinics and Slicer open."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import highdicom
import numpy as np
import pytest
import SimpleITK as sitk
import slicerio

from sam_pet.cli.app import main
from sam_pet.dicom.rtstruct import read_rtstruct, roi_names
from sam_pet.files import write_image
from sam_pet.geometry import Grid
from tests.dicom.make import pet_tags, save, slices
from tests.fakes import two_lesion_study

# SUV of 1 in Bq/mL: 350 MBq in 70 kg, decayed for half of a half-life.
BQML = 350e6 / 2**0.5 / 70_000


@pytest.fixture
def series(tmp_path: Path) -> Path:
    """The study with two lesions as a PET series."""
    stored = np.round(two_lesion_study().pet * BQML).astype(np.int16)
    save(slices(stored, "PT", spacing=(5.0, 5.0, 4.0), **pet_tags()), tmp_path / "series")
    return tmp_path / "series"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        main(["segment", *map(str, arguments), "--device", "cpu", "--json"])
    printed = capsys.readouterr()
    assert ended.value.code in (0, None), printed.err
    result: dict[str, Any] = json.loads(printed.out)
    return result


def markups(path: Path, positions: list[list[float]], system: str) -> Path:
    points = [{"label": f"F-{n}", "position": position} for n, position in enumerate(positions, start=1)]
    path.write_text(
        json.dumps({"markups": [{"type": "Fiducial", "coordinateSystem": system, "controlPoints": points}]})
    )
    return path


def test_markups_in_and_slicer_and_dicom_out(series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Voxels (20, 24, 10) and (44, 24, 30) of 5 x 5 x 4 mm from (-20, 30, -100), with right and anterior positive.
    prompts = markups(tmp_path / "f.mrk.json", [[-80.0, -150.0, -60.0], [-200.0, -150.0, 20.0]], "RAS")
    paths = {name: tmp_path / name for name in ("lesions.seg.nrrd", "seg.dcm", "rt.dcm")}
    found = run(
        capsys,
        *("--pet", series, "--prompts", prompts, "--out", paths["lesions.seg.nrrd"]),
        *("--dicom-seg", paths["seg.dcm"], "--rtstruct", paths["rt.dcm"]),
    )
    assert (found["out"], found["dicom_seg"], found["rtstruct"]) == tuple(map(str, paths.values()))

    opened = slicerio.read_segmentation(str(paths["lesions.seg.nrrd"]))
    assert slicerio.segment_names(opened) == ["Lesion 1", "Lesion 2"]
    labels = opened["voxels"]
    assert (labels[20, 24, 10], labels[44, 24, 30]) == (1, 2)
    assert found["lesions"] == 2
    assert found["voxels"] == (labels > 0).sum()

    segmentation = highdicom.seg.segread(str(paths["seg.dcm"]))
    assert segmentation.number_of_segments == 2
    for number in (1, 2):
        frames = segmentation.get_volume(segment_numbers=[number], combine_segments=False)
        assert frames.array.sum() == (labels == number).sum()
        assert roi_names(paths["rt.dcm"])[number - 1] == f"Lesion {number}"
        grid = Grid.of(sitk.ReadImage(str(paths["lesions.seg.nrrd"])))
        contoured = read_rtstruct(paths["rt.dcm"], f"Lesion {number}", grid)
        assert np.array_equal(contoured.transpose(2, 1, 0), labels == number)


def test_markups_do_what_clicks_on_their_voxels_do(
    series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.json").write_text('{"tumor": [[20, 24, 10]]}')
    marked = markups(tmp_path / "f.mrk.json", [[80.0, 150.0, -60.0]], "LPS")
    for prompts in ("p.json", marked.name):
        run(capsys, "--pet", series, "--prompts", tmp_path / prompts, "--out", tmp_path / f"{prompts}.mha")
    one, other = (
        sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / f"{name}.mha"))) for name in ("p.json", marked.name)
    )
    assert one.any()
    assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (["--dicom-seg", "o.dcm"], "the PET pet.mha is not DICOM; give its DICOM folder"),
        (["--rtstruct", "o.dcm"], "the PET pet.mha is not DICOM; give its DICOM folder"),
        (["--dicom-seg", "o.nii.gz"], "the name of a DICOM SEG must end in .dcm"),
        (["--rtstruct", "taken.dcm"], "there is a folder of that name"),
    ],
)
def test_dicom_that_cannot_be_written_is_refused_before_anything_is_done(
    options: list[str],
    match: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    study = two_lesion_study()
    write_image(study.grid.image(study.pet), "pet.mha")
    Path("p.json").write_text('{"tumor": [[20, 24, 10]]}')
    Path("taken.dcm").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as ended:
        main(["segment", "--pet", "pet.mha", "--prompts", "p.json", "--out", "m.mha", *options])
    assert ended.value.code == 2
    assert match in capsys.readouterr().err
    assert sorted(tmp_path.rglob("*")) == before


def test_an_empty_mask_has_no_dicom_object_but_is_there_itself(
    series: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "p.json").write_text('{"background": [[20, 24, 10]]}')
    given = ["--pet", series, "--prompts", tmp_path / "p.json", "--out", tmp_path / "m.mha"]
    with pytest.raises(SystemExit) as ended:
        main(["segment", *map(str, given), "--rtstruct", str(tmp_path / "rt.dcm")])
    assert ended.value.code == 2
    assert "no lesion to write to" in capsys.readouterr().err
    assert not (tmp_path / "rt.dcm").exists()
    assert not sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "m.mha"))).any()


def test_a_real_dicom_study_is_segmented_from_its_folders(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = data / "dicom" / "STS_001"
    truth = sitk.ReadImage(str(data / "wholebody" / "STS_001" / "SEG.nii.gz"))
    voxel = (78, 66, 27)
    assert truth[voxel] == 1
    (tmp_path / "p.json").write_text(json.dumps({"tumor": [voxel]}))
    given = ("--ct", folder / "CT_crop", "--pet", folder / "PET", "--prompts", tmp_path / "p.json")
    found = run(capsys, *given, "--out", tmp_path / "m.mha")
    mask = sitk.ReadImage(str(tmp_path / "m.mha"))
    assert Grid.of(mask).same_as(Grid.of(truth))
    assert mask[voxel] == 1
    assert found["lesions"] == 1
    inside = sitk.GetArrayFromImage(mask) & sitk.GetArrayFromImage(truth)
    # Of the truth, and not of the rest of the patient.
    assert inside.sum() > 0.5 * sitk.GetArrayViewFromImage(truth).sum()
    assert found["voxels"] < 4 * sitk.GetArrayViewFromImage(truth).sum()
