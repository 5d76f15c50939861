"""A reading of a study from the PACS, by the keyboard alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.page.pacs import Pacs
from tests.page.screen import Screen


@pytest.fixture
def screen(browser: Browser, address: str) -> Iterator[Screen]:
    context = browser.new_context(viewport={"width": 1500, "height": 860})
    screen = Screen(context.new_page())
    screen.page.goto(address)
    # It may open the study that the server was started with; this is about the other way.
    screen.page.locator("main.room[data-revision]").wait_for()
    screen.page.get_by_role("button", name="Studies").focus()
    screen.press("Enter")
    screen.page.get_by_role("heading", name="From the PACS").wait_for()
    yield screen
    assert screen.faults == []
    context.close()


def tab_to(screen: Screen, name: str) -> None:
    """Tab until what has the focus is called so."""
    for _ in range(60):
        screen.press("Tab")
        told = screen.page.evaluate(
            "() => { const e = document.activeElement; return e.ariaLabel || e.textContent || e.name || '' }"
        )
        if name in told:
            return
    pytest.fail(f"Tab does not reach {name}")


def test_the_keyboard_reads_a_study_of_the_pacs(screen: Screen, pacs: Pacs) -> None:
    screen.accessible()
    tab_to(screen, "Search")
    screen.press("Enter")
    screen.page.locator("tr[data-uid]").wait_for()
    expect(screen.page.locator("tr[data-uid]")).to_have_count(1)
    expect(screen.page.locator("tr[data-uid]")).to_contain_text("STS_001")
    screen.keep("app-pacs")
    tab_to(screen, "Read the study of")
    screen.press("Enter")
    screen.opened()

    # Down to the thigh in the coronal slice, then to the hottest voxel about the crosshair.
    screen.press("2", *["ArrowDown"] * 105, *["ArrowRight"] * 13, "g")
    screen.settle()
    before = screen.voxel
    screen.press("ArrowUp")
    screen.settle()
    assert screen.voxel[2] == before[2] + 1
    screen.press("ArrowDown", "1")
    assert float(screen.readout.split("SUV ")[1].split(" ")[0]) > 4

    screen.changes(lambda: screen.press("Enter"))
    clicked = screen.row(1)
    # The department's rule instead of the model's proposal.
    screen.changes(lambda: screen.press("n"))
    ruled = screen.row(1)
    assert ruled["volume_ml"] != clicked["volume_ml"]
    assert screen.api()["lesions"][0]["outline"] == "41%"
    screen.changes(lambda: screen.press("Control+z"))
    assert screen.row(1) == clicked
    screen.changes(lambda: screen.press("Control+Shift+Z"))
    assert screen.row(1) == ruled

    screen.press("s", "ArrowRight", "ArrowRight", "ArrowRight")
    screen.changes(lambda: screen.press("Shift+Enter"))
    assert screen.api()["totals"]["total_mtv_ml"] < ruled["volume_ml"]
    stroke = screen.api()["prompts"][-1]
    assert (stroke["label"], len(stroke["voxels"])) == ("background", 4)
    screen.changes(lambda: screen.press("Control+z"))
    assert screen.row(1) == ruled

    # Regions by rule, judged one by one.
    screen.changes(lambda: screen.press("d"))
    rows = screen.page.locator("tr[data-lesion]")
    found = rows.count()
    assert found > 2
    screen.keep("app-preselect")
    screen.press("j")
    expect(screen.page.locator("tr.chosen")).to_have_count(1)
    chosen = int(screen.page.locator("tr.chosen").get_attribute("data-lesion") or 0)
    screen.changes(lambda: screen.press("y"))
    assert [one["lesion"] for one in screen.api()["lesions"] if one["accepted"]] == [chosen]
    screen.changes(lambda: screen.press("x"))
    expect(rows).to_have_count(found - 1)
    assert screen.api()["totals"]["lesions"] == found - 1

    before_storing = pacs.modalities()
    screen.press("o")
    tab_to(screen, "Send SEG")
    screen.press("Enter")
    expect(screen.page.get_by_text("The PACS has taken 3 objects.")).to_be_visible()
    assert len(pacs.modalities()) == len(before_storing) + 3
