"""Windows on the page of a server in this process: names as text, and one state in all of them."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from sam_pet.app.settings import AppSettings
from tests.app.serving import Served, write_dicom_study
from tests.fakes import random_segmenter, two_lesion_study
from tests.page.screen import Screen

HOSTILE = "<img src=x onerror=document.title='struck'>"


def test_names_are_text_and_windows_show_the_same(browser: Browser, tmp_path: Path) -> None:
    study = write_dicom_study(
        two_lesion_study(), tmp_path / "study", PatientName="<b>bold</b>", StudyDescription=HOSTILE
    )
    with Served(AppSettings(tmp_path / "app", (study,)), random_segmenter()) as served:
        # Windows of their own: a page behind another is not drawn.
        contexts = [browser.new_context(viewport={"width": 1200, "height": 700}) for _ in range(2)]
        first, second = (Screen(context.new_page()) for context in contexts)
        for screen in (first, second):
            screen.page.goto(f"{served.url}/?token={served.token()}")
            screen.opened()
        assert first.session == second.session

        first.changes(lambda: first.press("1", "g", "Enter"))
        expect(second.page.locator("tr[data-lesion]")).to_have_count(1)
        assert second.row(1) == first.row(1)
        first.changes(lambda: first.press("v"))
        expect(second.page.get_by_label("Hide: lesion 1")).to_have_attribute("aria-pressed", "true")
        name = first.page.get_by_label("Name of lesion 1")
        name.fill(HOSTILE)
        first.changes(lambda: name.press("Enter"))
        expect(second.page.get_by_label("Name of lesion 1")).to_have_value(HOSTILE)
        second.changes(lambda: second.press("Control+z"))
        expect(first.page.get_by_text("no lesions yet")).to_be_visible()

        first.page.get_by_role("button", name="Studies").click()
        expect(first.page.locator("tr[data-study]")).to_contain_text(HOSTILE)
        for screen in (first, second):
            assert screen.page.locator("img").count() == 0
            assert screen.page.title() == "sam_pet"
            assert screen.faults == []
        for context in contexts:
            context.close()
