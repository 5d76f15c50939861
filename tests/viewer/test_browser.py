"""The viewer in JupyterLab, in a real browser."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect, sync_playwright

from sam_pet.labels import lesion_colour
from tests.browsers import chromium_path

ROOT = Path(__file__).parents[2]
# Machines of CI are slow and shared.
PATIENCE_S = 180
# A pixel of the axial canvas in the first lesion of `two_lesion_study`, whose voxel is (20, 24, 10): the volume is
# 320 x 240 x 160 mm and its canvas 480 x 360.
LESION = ((20.5 * 5) * 1.5, (24.5 * 5) * 1.5)
CELLS = (
    """
import sam_pet
from tests.fakes import two_lesion_study
session = sam_pet.Segmenter.from_pretrained("default", device="cpu").open(two_lesion_study())
viewer = session.view()
viewer
""",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A JupyterLab of its own with the notebook."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell.strip()) for cell in CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, folder / "viewer.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    homes = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    log = (folder / "log").open("w")
    options = {
        "ip": "127.0.0.1",
        "port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": "",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "jupyterlab",
            "--no-browser",
            "--allow-root",
            *(f"--{k}={v}" for k, v in options.items()),
        ],
        env={**os.environ, **homes, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=log,
        stderr=log,
    )
    try:
        _wait_for(f"{url}/api/status", process, folder / "log")
        yield url
    finally:
        process.terminate()
        process.wait(20)
        log.close()


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            time.sleep(0.5)
        else:
            return
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")


@pytest.fixture(scope="module")
def page(server: str) -> Iterator[Page]:
    """The notebook, run."""
    with sync_playwright() as playwright:
        # Its sandbox needs privileges that a container lacks.
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1800, "height": 1400})
        page.set_default_timeout(1000 * PATIENCE_S)
        expect.set_options(timeout=1000 * PATIENCE_S)
        page.goto(f"{server}/lab/tree/viewer.ipynb")
        page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
        page.get_by_text("| Idle").wait_for()
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        page.locator("canvas[data-name=sagittal][data-drawn]").wait_for()
        yield page
        browser.close()


def canvas(page: Page, name: str = "axial") -> Locator:
    return page.locator(f"canvas[data-name={name}]")


def volume_ml(page: Page) -> float:
    return float(page.locator(".sam-pet-lesions .volume_ml").inner_text())


def drawn(page: Page, tmp_path: Path, name: str = "axial") -> np.ndarray:
    """What a canvas shows, [v, u, 3]."""
    canvas(page, name).screenshot(path=tmp_path / "canvas.png")
    return np.asarray(Image.open(tmp_path / "canvas.png").convert("RGB"))


def outlined(picture: np.ndarray) -> int:
    """How many pixels have the colour of the first lesion."""
    return int((np.abs(picture.astype(int) - lesion_colour(1)).max(axis=2) < 12).sum())


def eventually(holds: Callable[[], bool]) -> bool:
    """Whether it comes true: a canvas is drawn a little after the text about it."""
    end = time.monotonic() + PATIENCE_S
    while not (done := holds()) and time.monotonic() < end:
        time.sleep(0.2)
    return done


def test_clicks_in_the_browser_segment_correct_and_are_undone(page: Page, tmp_path: Path) -> None:
    axial = canvas(page)
    assert outlined(drawn(page, tmp_path)) == 0
    expect(page.get_by_text("no lesions yet")).to_be_visible()
    # The first lesion's slice.
    handle = page.locator(".widget-slider", has_text="axial").locator(".widget-readout")
    handle.click()
    handle.fill("10")
    handle.press("Enter")
    expect(page.get_by_text("voxel (32, 24, 10)")).to_be_visible()

    axial.click(position={"x": LESION[0], "y": LESION[1]})
    expect(page.locator(".sam-pet-lesions .volume_ml")).to_be_visible()
    clicked = volume_ml(page)
    assert clicked > 1
    expect(page.get_by_text("voxel (20, 24, 10): SUV 8.00, 40 HU")).to_be_visible()
    assert eventually(lambda: outlined(drawn(page, tmp_path)) > 20)
    pixels = outlined(drawn(page, tmp_path))

    axial.click(position={"x": LESION[0] + 8, "y": LESION[1]}, modifiers=["Shift"])
    expect(page.locator(".sam-pet-lesions .volume_ml")).not_to_have_text(f"{clicked:.2f}")
    assert 0 < volume_ml(page) != clicked
    assert eventually(lambda: outlined(drawn(page, tmp_path)) != pixels)

    page.get_by_role("button", name="Undo").click()
    expect(page.locator(".sam-pet-lesions .volume_ml")).to_have_text(f"{clicked:.2f}")

    # A stroke far from it starts another lesion.
    axial.hover(position={"x": LESION[0] - 30, "y": LESION[1] + 150})
    page.mouse.down()
    axial.hover(position={"x": LESION[0] + 30, "y": LESION[1] + 150})
    page.mouse.up()
    expect(page.locator(".sam-pet-lesions .volume_ml")).to_have_count(2)

    # The projection shows the other ball at (44, 24, 30), whose first voxel from the front is at y = 22.
    canvas(page, "mip").click(position={"x": 44.5 * 5 * 1.5, "y": (160 - 30.5 * 4) * 1.5})
    expect(page.get_by_text("voxel (44, 22, 30): SUV 8.00, 40 HU")).to_be_visible()

    canvas(page, "coronal").hover()
    page.mouse.wheel(0, 100)
    expect(page.get_by_text("voxel (44, 21, 30): SUV 0.80, 40 HU")).to_be_visible()
