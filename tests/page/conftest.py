"""The page in Chromium, on `sam-pet serve` and a PACS."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from playwright.sync_api import Browser, sync_playwright

from tests.app.orthanc import fill, orthanc
from tests.browsers import chromium_path
from tests.page.pacs import Pacs
from tests.page.screen import PATIENCE_S


# Of each module its own: what plays it holds the event loop of the process that other tests need.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Its sandbox needs privileges that a container lacks.
        browser = playwright.chromium.launch(executable_path=chromium_path(), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def pacs(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pacs]:
    """A PACS that holds the real study."""
    with orthanc(tmp_path_factory.mktemp("orthanc")) as (url, dicomweb):
        for series in ("PET", "CT_crop"):
            fill(url, data / "dicom" / "STS_001" / series)
        yield Pacs(url, dicomweb)


@pytest.fixture(scope="session")
def address(data: Path, pacs: Pacs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where `sam-pet serve` on the real study is entered."""
    folder = tmp_path_factory.mktemp("serve")
    command = [
        sys.executable,
        "-c",
        "from sam_pet.cli.app import main; main()",
        "serve",
        str(data / "dicom" / "STS_001"),
    ]
    options = ["--folder", str(folder), "--dicomweb", pacs.dicomweb, "--device", "cpu", "--no-browser"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
    try:
        end = time.monotonic() + PATIENCE_S
        while "token=" not in (folder / "log").read_text():
            if process.poll() is not None or time.monotonic() > end:
                pytest.fail(f"sam-pet serve did not start:\n{(folder / 'log').read_text()}")
            time.sleep(0.2)
        yield next(line for line in (folder / "log").read_text().splitlines() if "token=" in line)
    finally:
        process.terminate()
        process.wait(30)
