"""A whole reading of the real study in Chromium, by hand."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import highdicom
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
from playwright.sync_api import Browser, expect

from sam_pet.cli.app import main
from sam_pet.dicom.rtstruct import read_rtstruct
from sam_pet.dicom.series import read_series
from sam_pet.prompt_files import RECORD_TYPE
from tests.page.pacs import Pacs
from tests.page.screen import Screen

# Where the tumour of the left thigh is in the projection from the front, as shares of the pane.
TUMOUR = (0.562, 0.9)
INSIDE = (79, 73, 26)
ORANGE = (230, 159, 0)
MEASURES = ("volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg")


@pytest.fixture(scope="module")
def screen(browser: Browser, address: str) -> Iterator[Screen]:
    """The study that the server was started with; it opens by itself."""
    context = browser.new_context(viewport={"width": 1500, "height": 860}, accept_downloads=True)
    screen = Screen(context.new_page())
    screen.page.goto(address)
    screen.opened()
    yield screen
    assert screen.faults == []
    context.close()


def on_the_tumour(screen: Screen) -> None:
    """Click on the tumour in the projection; the crosshair is then in it."""
    screen.page.mouse.click(*screen.at("mip", *TUMOUR))
    screen.settle()


def test_the_study_opens_with_planes_and_projection(screen: Screen) -> None:
    for plane in ("axial", "coronal", "sagittal"):
        picture = screen.picture(plane).astype(int)
        assert (picture.max(axis=2) > 60).mean() > 0.01, plane
        # PET in colour over CT in grey.
        assert (picture[..., 0] - picture[..., 2] > 60).any(), plane
    assert (screen.picture("mip") == 255).all(axis=2).mean() > 0.3
    assert "SUV" in screen.readout
    assert " mm" in screen.readout
    expect(screen.page.get_by_text("no lesions yet")).to_be_visible()


def test_the_pointer_is_told_suv_hu_and_mm_of_its_voxel(screen: Screen, data: Path) -> None:
    on_the_tumour(screen)
    screen.page.mouse.move(*screen.at("axial", 0.5, 0.5))
    screen.settle()
    x, y, z = screen.voxel
    assert abs(x - 63.5) <= 0.5
    assert abs(y - 63.5) <= 0.5
    suv = sitk.ReadImage(str(data / "wholebody" / "STS_001" / "SUV.nii.gz"))
    assert f"SUV {suv[x, y, z]:.2f}" in screen.readout
    assert ", ".join(f"{mm:.1f}" for mm in suv.TransformIndexToPhysicalPoint((x, y, z))) in screen.readout
    assert " HU" in screen.readout


def test_a_click_on_the_projection_finds_the_hottest_voxel_behind_it(screen: Screen, data: Path) -> None:
    on_the_tumour(screen)
    x, _, z = screen.voxel
    suv = sitk.GetArrayFromImage(sitk.ReadImage(str(data / "wholebody" / "STS_001" / "SUV.nii.gz")))
    ray = suv[z, :, x - 1 : x + 2].max()
    assert f"SUV {ray:.2f}" in screen.readout
    screen.press("4", "ArrowRight")
    assert screen.pane("mip").get_attribute("data-view") == "1"
    screen.press("ArrowLeft", "1")


def test_windows_fusion_and_single_modalities_change_the_picture(screen: Screen) -> None:
    fused = screen.picture("axial").astype(int)

    def change(*keys: str) -> float:
        screen.press(*keys)
        return float(np.abs(screen.picture("axial").astype(int) - fused).mean())

    assert change("p") > 0.5
    assert change("p") < 0.01
    assert change("c") > 0.5
    coloured = screen.picture("axial").astype(int)
    # CT alone is grey, up to the lines and letters that are drawn on it.
    assert (np.ptp(coloured, axis=2) > 30).mean() < 0.02
    assert change("c") < 0.01
    assert change("w") > 0.05
    assert change("w", "w") < 0.01
    assert change("q") > 0.5
    assert change("q", "q") < 0.01
    assert change("]") > 0.1
    assert change("[") < 0.01
    assert change("+") > 0.5
    assert change("Home") < 0.01


def test_click_stroke_undo_redo_and_reject(screen: Screen) -> None:
    on_the_tumour(screen)
    screen.point(screen.voxel)
    expect(screen.page.locator(".readout")).to_contain_text("mL up to")
    screen.keep("app-hover")
    assert screen.coloured("axial", ORANGE) == 0
    on_the_tumour(screen)
    screen.go_to(INSIDE)
    x, y = screen.point(screen.voxel)
    screen.changes(lambda: screen.page.mouse.click(x, y))
    # The mask takes the place of what was outlined before it.
    clicked = screen.row(1)
    assert 200 < clicked["volume_ml"] < 700
    shown = screen.coloured("axial", ORANGE)
    assert shown > 100
    screen.keep("app-click")

    def background() -> None:
        screen.page.mouse.move(x - 18, y - 4)
        screen.page.mouse.down(button="right")
        screen.page.mouse.move(x + 18, y - 4, steps=6)
        screen.page.mouse.up(button="right")

    screen.changes(background)
    corrected = screen.row(1)
    assert corrected["volume_ml"] < clicked["volume_ml"]
    assert [prompt["label"] for prompt in screen.api()["prompts"]] == ["tumor", "background"]
    screen.keep("app-correct")
    screen.changes(lambda: screen.press("Control+z"))
    assert screen.row(1) == clicked
    # The crosshair hides a few.
    assert screen.coloured("axial", ORANGE) == pytest.approx(shown, rel=0.05)
    screen.changes(lambda: screen.press("Control+Shift+Z"))
    assert screen.row(1) == corrected

    screen.changes(lambda: screen.press("x"))
    expect(screen.page.locator("tr[data-lesion]")).to_have_count(0)
    assert screen.coloured("axial", ORANGE) == 0
    screen.changes(lambda: screen.press("Control+z"))
    assert screen.row(1) == corrected
    screen.keep("app")


def test_the_table_equals_the_command_line(
    screen: Screen, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompts = [{key: one[key] for key in ("kind", "label", "voxels")} for one in screen.api()["prompts"]]
    record = {"type": RECORD_TYPE, "version": {"major": 1, "minor": 0}, "prompts": prompts}
    (tmp_path / "prompts.json").write_text(json.dumps(record))
    study = data / "dicom" / "STS_001"
    with pytest.raises(SystemExit):
        main(
            [
                *("segment", "--pet", str(study / "PET"), "--ct", str(study / "CT_crop")),
                *("--prompts", str(tmp_path / "prompts.json"), "--out", str(tmp_path / "mask.nii.gz")),
                *("--session", str(tmp_path / "session"), "--device", "cpu", "--json"),
            ]
        )
    told = json.loads(capsys.readouterr().out)
    totals = screen.api()["totals"]
    assert told["lesions"] == totals["lesions"] == 1
    assert told["volume_ml"] == pytest.approx(totals["total_mtv_ml"], abs=1e-4)
    assert told["voxels"] == screen.api()["lesions"][0]["voxels"]
    lesion = pd.read_csv(tmp_path / "session" / "lesions.csv").iloc[0]
    shown = screen.row(1)
    assert {key: shown[key] for key in MEASURES} == pytest.approx({key: lesion[key] for key in MEASURES}, rel=1e-9)


def test_seg_and_rtstruct_are_exported_and_read_back_equal(screen: Screen, data: Path, tmp_path: Path) -> None:
    pet = read_series(data / "dicom" / "STS_001" / "PET", "PET")
    mask = exported(screen, tmp_path, "nifti")
    expected = sitk.GetArrayFromImage(sitk.ReadImage(str(mask))) == 1
    assert expected.sum() * np.prod(pet.grid.spacing) / 1000 == pytest.approx(screen.row(1)["volume_ml"], rel=1e-5)

    seg = highdicom.seg.segread(exported(screen, tmp_path, "seg"))
    back = seg.get_pixels_by_source_instance([header.SOPInstanceUID for header in pet.slices])
    assert np.array_equal(back[..., 0] > 0, expected)
    there = read_rtstruct(exported(screen, tmp_path, "rtstruct"), "Lesion 1", pet.grid) > 0
    assert np.array_equal(there, expected)


def exported(screen: Screen, folder: Path, kind: str) -> Path:
    screen.press("o")
    with screen.page.expect_download() as saved:
        screen.page.locator(f"[data-export='{kind}']").click()
    path = folder / saved.value.suggested_filename
    saved.value.save_as(path)
    screen.press("Escape")
    expect(screen.page.locator("dialog")).to_have_count(0)
    return path


BEGINNINGS = {
    "sr": (".dcm", b"\0" * 128 + b"DICM"),
    "seg.nrrd": (".seg.nrrd", b"NRRD"),
    "csv": (".csv", b"lesion,name,volume_ml"),
    "pdf": (".pdf", b"%PDF"),
    "html": (".html", b"<!"),
    "json": (".json", b"{"),
}


def test_every_other_export_is_downloaded(screen: Screen, tmp_path: Path) -> None:
    for kind, (suffix, beginning) in BEGINNINGS.items():
        path = exported(screen, tmp_path, kind)
        assert path.name.endswith(suffix)
        assert path.read_bytes().lower().startswith(beginning.lower()), kind
    assert pd.read_csv(tmp_path / "lesions.csv").volume_ml[0] == pytest.approx(screen.row(1)["volume_ml"])


def test_results_are_stored_to_the_pacs_and_found_there(screen: Screen, pacs: Pacs) -> None:
    before = Counter(pacs.modalities())
    screen.press("o")
    screen.page.locator("[data-command='store']").click()
    expect(screen.page.get_by_text("The PACS has taken 3 objects.")).to_be_visible()
    assert Counter(pacs.modalities()) - before == Counter(["RTSTRUCT", "SEG", "SR"])
    # All of it in the one study of the patient.
    assert len(pacs.get("/studies")) == 1


def test_brush_and_eraser_and_a_threshold_that_bounds_them(screen: Screen) -> None:
    before = screen.row(1)["volume_ml"]
    on_the_tumour(screen)
    x, y = screen.point(screen.voxel)
    screen.press("b")
    screen.page.get_by_label("only SUV ≥").check()
    screen.page.get_by_label("Least SUV of the brush").fill("99")
    with screen.page.expect_response(lambda answer: answer.url.endswith("/brush")):
        screen.page.mouse.click(x + 40, y)
    assert screen.row(1)["volume_ml"] == before
    screen.page.get_by_label("only SUV ≥").uncheck()
    screen.changes(lambda: screen.page.mouse.click(x + 60, y))
    assert screen.api()["totals"]["total_mtv_ml"] > before
    screen.changes(lambda: screen.press("Control+z"))
    assert screen.row(1)["volume_ml"] == before
    screen.press("e")
    screen.changes(lambda: screen.page.mouse.click(x, y))
    assert screen.row(1)["volume_ml"] < before
    screen.changes(lambda: screen.press("Control+z"))
    assert screen.row(1)["volume_ml"] == before
    screen.press("t")


def test_faults_are_one_sentence(screen: Screen) -> None:
    screen.changes(lambda: screen.press("j", "l"))
    screen.press("x")
    alert = screen.page.get_by_role("alert").filter(has_text="locked")
    expect(alert).to_have_count(1)
    assert "Traceback" not in alert.inner_text()
    assert len(alert.inner_text().splitlines()) <= 2
    alert.get_by_label("Dismiss").click()
    screen.changes(lambda: screen.press("l"))


def test_axe_finds_no_serious_fault_in_a_reading(screen: Screen) -> None:
    screen.accessible()
    screen.press("?")
    screen.accessible()
    screen.press("Escape")
    screen.press("o")
    screen.accessible()
    screen.keep("app-export")
    screen.press("Escape")
