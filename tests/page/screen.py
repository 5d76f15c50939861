"""What a test sees of a reading, and does to it."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, expect

ROOT = Path(__file__).parents[2]
AXE = ROOT / "app" / "node_modules" / "axe-core" / "axe.min.js"
# Machines of CI are slow and shared.
PATIENCE_S = 120
# Set to docs/img to make the pictures of the documentation anew.
PICTURES = os.environ.get("SAM_PET_PICTURES")


class Screen:
    """A reading in a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []
        page.set_default_timeout(1000 * PATIENCE_S)
        expect.set_options(timeout=1000 * PATIENCE_S)
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def opened(self) -> None:
        """Wait for the pictures."""
        self.page.locator("main.room[data-revision]").wait_for()
        expect(self.page.locator(".pane.axial .caption")).to_contain_text("/")

    def pane(self, name: str) -> Locator:
        return self.page.locator(f".pane.{name}")

    @property
    def readout(self) -> str:
        return self.page.locator(".readout").inner_text()

    @property
    def voxel(self) -> tuple[int, int, int]:
        """The one that the line of values speaks of."""
        x, y, z = (int(part) for part in self.readout.split("voxel ")[1].split(" ·")[0].split(","))
        return x, y, z

    @property
    def session(self) -> str:
        return str(self.page.locator("main.room").get_attribute("data-session"))

    @property
    def revision(self) -> int:
        return int(self.page.locator("main.room").get_attribute("data-revision") or -1)

    def api(self, path: str = "") -> Any:
        """What the server has of this session."""
        return self.page.evaluate("path => fetch(path).then(a => a.json())", f"/api/sessions/{self.session}{path}")

    def changes(self, act: Callable[[], None]) -> None:
        """Do something, and wait until the page shows a later state."""
        before = self.revision
        act()
        self.page.wait_for_function(
            "before => Number(document.querySelector('main.room').dataset.revision) > before", arg=before
        )
        self.settle()

    def settle(self) -> None:
        """Wait until what is due is drawn."""
        self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def row(self, lesion: int) -> dict[str, float]:
        cells = self.page.locator(f"tr[data-lesion='{lesion}'] td.number")
        return {
            str(cell.get_attribute("class")).split()[-1]: float(cell.get_attribute("data-value") or "nan")
            for cell in cells.all()
        }

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def at(self, pane: str, across: float, down: float) -> tuple[float, float]:
        """A point of a pane, as shares of its width and height."""
        box = self.pane(pane).bounding_box()
        assert box is not None
        return box["x"] + across * box["width"], box["y"] + down * box["height"]

    def go_to(self, voxel: tuple[int, int, int]) -> None:
        """Move the crosshair by the keys of the axial pane."""
        self.page.mouse.move(0, 0)
        self.press("1")
        self.settle()
        keys = (("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown"), ("PageDown", "PageUp"))
        for now, to, (less, more) in zip(self.voxel, voxel, keys, strict=True):
            self.press(*[more if to > now else less] * abs(to - now))
        assert self.voxel == voxel

    def point(self, voxel: tuple[int, int, int]) -> tuple[float, float]:
        """Put the pointer on a voxel of the axial slice shown, as a hand does: by what the page says of it."""
        low, high = self.at("axial", 0.4, 0.4), self.at("axial", 0.6, 0.6)
        self.page.mouse.move(*low)
        first = self.voxel
        self.page.mouse.move(*high)
        second = self.voxel
        step = (high[1] - low[1]) / (second[1] - first[1])
        x, y = high
        for _ in range(4):
            off = [voxel[axis] - self.voxel[axis] for axis in range(2)]
            if off == [0, 0]:
                break
            x, y = x + step * off[0], y + step * off[1]
            self.page.mouse.move(x, y)
        assert self.voxel == voxel
        return x, y

    def picture(self, pane: str) -> npt.NDArray[np.uint8]:
        """What a pane shows, [v, u, 3]."""
        self.settle()
        shot = Image.open(io.BytesIO(self.pane(pane).screenshot()))
        return np.asarray(shot.convert("RGB"))

    def coloured(self, pane: str, colour: tuple[int, int, int]) -> int:
        """How many pixels of a pane have a colour."""
        return int((np.abs(self.picture(pane).astype(int) - colour).max(axis=2) < 25).sum())

    def accessible(self) -> None:
        """axe-core finds no serious fault in what is shown."""
        if not AXE.exists():
            if os.environ.get("CI"):
                pytest.fail("CI needs node, and `make app-logic` before")
            pytest.skip("app/node_modules is not there")
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("() => axe.run()")
        serious = [
            f"{fault['id']}: {fault['nodes'][0]['html'][:200]}"
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
        assert serious == [], serious
        assert len(found["passes"]) > 10

    def keep(self, name: str) -> None:
        """Keep what is shown for the documentation."""
        if PICTURES is None:
            return
        self.page.evaluate("() => document.querySelector('#notices')?.replaceChildren()")
        time.sleep(0.5)
        path = Path(PICTURES) / f"{name}.png"
        self.page.screenshot(path=path)
        picture = Image.open(path).convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE)
        picture.save(path, optimize=True)
