"""From files of this computer to a first answer, on the page of a server in this process."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Route, expect

from sam_pet.app.jobs import AppJob
from sam_pet.app.settings import AppSettings
from tests.app.serving import Served, write_case, write_dicom_study
from tests.fakes import random_segmenter, two_lesion_study
from tests.page.screen import Screen


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(AppSettings(tmp_path_factory.mktemp("app")), random_segmenter(largest_mm=64.0)) as served:
        yield served


@pytest.fixture
def screen(browser: Browser, served: Served) -> Iterator[Screen]:
    context = browser.new_context(viewport={"width": 1200, "height": 700})
    screen = Screen(context.new_page())
    screen.page.goto(f"{served.url}/?token={served.token()}")
    screen.page.get_by_role("heading", name="From this computer").wait_for()
    yield screen
    assert screen.faults == []
    context.close()


def read_files(screen: Screen, folder: Path) -> None:
    """Upload the files of a folder, and open the study that they are."""
    rows = screen.page.locator("tr[data-study]")
    known = {row.get_attribute("data-study") for row in rows.all()}
    screen.page.locator("[data-upload='files']").set_input_files(sorted(folder.iterdir()))
    expect(rows).to_have_count(len(known) + 1)
    (new,) = {str(row.get_attribute("data-study")) for row in rows.all()} - known
    screen.page.locator(f"tr[data-study='{new}']").get_by_role("button", name="Read").click()
    screen.opened()


def test_without_a_study_the_simulated_one_is_offered(screen: Screen) -> None:
    expect(screen.page.locator("tr[data-study]")).to_have_count(1)
    expect(screen.page.locator("tr[data-study]")).to_contain_text("(simulated)")
    screen.accessible()


def test_files_are_uploaded_and_their_study_is_read(screen: Screen, tmp_path: Path) -> None:
    study = two_lesion_study()
    read_files(screen, write_case(study, tmp_path / "case"))
    assert screen.api()["grid"]["size"] == [64, 48, 40]
    screen.press("1", "g")
    screen.settle()
    x, y, z = screen.voxel
    assert f"SUV {study.pet[z, y, x]:.2f} · {study.ct[z, y, x]:.0f} HU" in screen.readout


def test_a_folder_of_dicom_is_uploaded(screen: Screen, tmp_path: Path) -> None:
    folder = write_dicom_study(two_lesion_study(), tmp_path / "dicom", PatientName="Up^Loaded")
    screen.page.locator("[data-upload='folder']").set_input_files(folder)
    expect(screen.page.locator("tr[data-study]", has_text="Up^Loaded")).to_contain_text("PT 40")


def test_an_upload_is_stopped_and_leaves_nothing(screen: Screen, served: Served, tmp_path: Path) -> None:
    held: list[Route] = []
    screen.page.route("**/files/1?*", lambda route: held.append(route))
    kept = len(list((served.room.settings.folder / "studies").iterdir()))
    screen.page.locator("[data-upload='files']").set_input_files(
        sorted(write_case(two_lesion_study(), tmp_path / "case").iterdir())
    )
    expect(screen.page.locator(".progress")).to_contain_text("Sending files")
    screen.page.wait_for_function("() => document.querySelector('.progress progress').value > 0.1")
    with screen.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        screen.page.get_by_role("button", name="Cancel").click()
    expect(screen.page.locator(".progress")).to_be_empty()
    assert len(list((served.room.settings.folder / "studies").iterdir())) == kept
    expect(screen.page.get_by_role("alert")).to_have_count(0)


def test_files_that_are_no_study_are_told_of_in_a_sentence(screen: Screen, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear colleague")
    screen.page.locator("[data-upload='files']").set_input_files(tmp_path / "letter.txt")
    alert = screen.page.get_by_role("alert")
    alert.wait_for()
    assert "Traceback" not in alert.inner_text()
    assert len(alert.inner_text().splitlines()) <= 2


def test_a_first_answer_shows_how_far_it_is_and_is_stopped(
    screen: Screen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_files(screen, write_case(two_lesion_study(), tmp_path / "case"))
    asking, go_on = threading.Event(), threading.Event()
    report = AppJob.report

    def slow(job: AppJob, message: str, progress: float | None = None) -> None:
        report(job, message, progress)
        if message == "asking the model" and not go_on.is_set():
            asking.set()
            assert go_on.wait(60)
            report(job, message, progress)

    monkeypatch.setattr(AppJob, "report", slow)
    bar = screen.page.locator(".progress progress")
    screen.press("f")
    expect(screen.page.locator(".progress")).to_contain_text("First answer: asking the model")
    assert asking.is_set()
    # The words come with the bar, or just before it knows how far it is.
    expect(bar).to_have_attribute("value", re.compile(r"^0?\.\d+$|^0$"))
    with screen.page.expect_response(lambda answer: answer.request.method == "DELETE"):
        screen.page.locator(".progress").get_by_role("button", name="Cancel").click()
    go_on.set()
    expect(screen.page.get_by_text("Cancelled; nothing has changed.")).to_be_visible()
    expect(screen.page.locator(".progress")).to_be_empty()
    assert screen.revision == 0
    expect(screen.page.get_by_text("no lesions yet")).to_be_visible()

    screen.changes(lambda: screen.press("f"))
    found = screen.api()["lesions"]
    assert found
    assert all(one["found"] for one in found)
    expect(screen.page.locator("tr[data-lesion]")).to_have_count(len(found))
    labels = screen.api("/labels")
    assert np.prod(labels["size"]) >= sum(one["voxels"] for one in found)
    # One by one, by the keyboard.
    screen.press("j")
    screen.changes(lambda: screen.press("y"))
    assert [one["accepted"] for one in screen.api()["lesions"]].count(True) == 1


def test_the_table_is_sorted_and_lesions_are_hidden_coloured_and_locked(screen: Screen, tmp_path: Path) -> None:
    read_files(screen, write_case(two_lesion_study(), tmp_path / "case"))
    screen.press("b")
    for radius, voxel in (("6", (20, 24, 10)), ("15", (44, 24, 30))):
        screen.page.get_by_label("Brush radius in mm").fill(radius)
        screen.go_to(voxel)
        # The brush goes on with the chosen lesion.
        screen.press("Escape")
        x, y = screen.point(voxel)
        screen.changes(lambda x=x, y=y: screen.page.mouse.click(x, y))
    order = "() => [...document.querySelectorAll('tr[data-lesion]')].map(row => row.dataset.lesion)"
    assert screen.page.evaluate(order) == ["1", "2"]
    screen.page.get_by_role("button", name="Volume").click()
    assert screen.page.evaluate(order) == ["2", "1"]
    screen.page.get_by_role("button", name="Volume").click()
    assert screen.page.evaluate(order) == ["1", "2"]

    # To jump to a lesion is to see it.
    screen.page.get_by_label("Go to lesion 1").click()
    screen.settle()
    assert screen.voxel[2] == 10
    colour = screen.page.get_by_label("Colour of lesion 1")
    screen.changes(lambda: colour.fill("#00ff00"))
    assert screen.coloured("axial", (0, 255, 0)) > 5
    screen.changes(lambda: screen.press("v"))
    assert screen.coloured("axial", (0, 255, 0)) == 0
    screen.changes(lambda: screen.press("v"))
    screen.changes(lambda: screen.press("l"))
    expect(screen.page.get_by_label("Lock: lesion 1")).to_have_attribute("aria-pressed", "true")
    screen.press("x")
    expect(screen.page.get_by_role("alert")).to_contain_text("lesion 1 is locked")
    expect(screen.page.locator("tr[data-lesion]")).to_have_count(2)
