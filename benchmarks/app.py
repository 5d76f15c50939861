"""How fast the page of `sam-pet serve` is in Chromium without a graphics card.

    python benchmarks/app.py [--grid 400x400x326@2.04x2.04x3 200x200x963@4.07x4.07x2] [--out FILE]

Prints one JSON object a grid. `first_picture`: from an open session's address to its pictures, volumes loaded.
`frame`: a slice further, or the projection turned, all marks drawn; `fuse`: another share of PET; `mask`: all lesions
hidden or shown. `click`: from a click to its mask on the screen; `session`: the same without server and page. Each in
seconds of the clock (`wall_s`) and of the processor (`cpu_s`, of Chromium and the server together): on a busy machine
only the second can be compared; `load` says how busy it was. The study is simulated: a cylinder of soft tissue with hot
balls.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from kept import keep
from playwright.sync_api import Page, sync_playwright

import sam_pet
from sam_pet.phantom.frame import parse_grid

STATIC = Path(sam_pet.__file__).parent / "app" / "static"
# Places as shares of the volume, radius in mm, SUV.
BALLS = (((0.5, 0.45, 0.8), 20, 12.0), ((0.42, 0.5, 0.55), 12, 9.0), ((0.58, 0.52, 0.3), 15, 14.0))
FRAMES = 40
PATIENCE_MS = 600_000
Size = tuple[int, int, int]
Processes = tuple[int, int]
_SCROLL = """async ([selector, frames]) => {
  const pane = document.querySelector(selector);
  for (let i = 0; i < frames; i++) {
    pane.dispatchEvent(new WheelEvent('wheel', {deltaY: 1, cancelable: true}));
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  }
}"""
_PRESS = """async ([keys, frames]) => {
  for (let i = 0; i < frames; i++) {
    document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: keys[i % keys.length], bubbles: true}));
    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
  }
}"""
_CLICK = """async () => {
  const room = document.querySelector('main.room'), before = room.dataset.revision;
  const changed = new Promise(done => new MutationObserver(() => room.dataset.revision !== before && done()).observe(
    room, {attributes: true}));
  document.activeElement.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter', bubbles: true}));
  await changed;
  await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
}"""


def make_study(size: Size, spacing: tuple[float, float, float], folder: Path) -> None:
    """Write CT and PET."""
    random = np.random.default_rng(0)
    nx, ny, nz = size
    z, y, x = np.ogrid[:nz, :ny, :nx]
    across = ((x - nx / 2) * spacing[0] / 190) ** 2 + ((y - ny / 2) * spacing[1] / 130) ** 2
    body = np.broadcast_to(across < 1, (nz, ny, nx))
    noise = random.normal(size=(ny, nx)).astype(np.float32)
    ct = np.where(body, 40 + 15 * noise, -1000).astype(np.int16)
    pet = np.where(body, np.maximum(0.8 + 0.15 * noise, 0), 0.02).astype(np.float32)
    for place, radius, suv in BALLS:
        at = [share * n for share, n in zip(place, size, strict=True)]
        away = sum(((c - a) * mm) ** 2 for c, a, mm in zip((x, y, z), at, spacing, strict=True))
        pet[away < radius**2] = suv
    for array, name in ((pet, "SUV.mha"), (ct, "CT.mha")):
        image = sitk.GetImageFromArray(array)
        image.SetSpacing(spacing)
        sitk.WriteImage(image, str(folder / name))


def centre(size: Size, ball: int) -> tuple[int, int, int]:
    x, y, z = (int(share * n) for share, n in zip(BALLS[ball][0], size, strict=True))
    return x, y, z


class Meter:
    """Seconds of the clock, and of the processor in processes and all that they have started."""

    def __init__(self, *roots: int) -> None:
        self._roots = roots
        self._wall, self._cpu = time.perf_counter(), self._spent()

    def read(self, times: int = 1) -> dict[str, float]:
        """Since it was made, a time each."""
        wall, cpu = time.perf_counter() - self._wall, self._spent() - self._cpu
        return {"wall_s": round(wall / times, 4), "cpu_s": round(cpu / times, 4)}

    def _spent(self) -> float:
        stats = {}
        for path in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
                stats[int(path.parent.name)] = (int(fields[1]), int(fields[11]) + int(fields[12]))
        ours = set(self._roots)
        while more := {pid for pid, (parent, _) in stats.items() if parent in ours} - ours:
            ours |= more
        return sum(ticks for pid, (_, ticks) in stats.items() if pid in ours) / os.sysconf("SC_CLK_TCK")


def of_session(folder: Path, size: Size) -> list[dict[str, float]]:
    """What the clicks take without a server or page."""
    study = sam_pet.read_study(ct=folder / "CT.mha", pet=folder / "SUV.mha")
    session = sam_pet.Segmenter.from_pretrained("default", device="cpu").open(study)
    spent = []
    for ball in range(len(BALLS)):
        meter = Meter(os.getpid())
        session.add_click(centre(size, ball))
        spent.append(meter.read())
    return spent


def of_clicks(page: Page, size: Size, processes: Processes) -> list[dict[str, float]]:
    """From the key that says "lesion" at the crosshair to the frame that shows the mask."""
    spent = []
    for ball in range(len(BALLS)):
        _go_to(page, centre(size, ball))
        meter = Meter(*processes)
        page.evaluate(_CLICK)
        spent.append(meter.read())
    return spent


def _go_to(page: Page, voxel: tuple[int, int, int]) -> None:
    shown = page.locator(".readout").inner_text().split("voxel ")[1].split(" ·")[0]
    page.keyboard.press("1")
    keys = (("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown"), ("PageDown", "PageUp"))
    for now, to, (less, more) in zip(map(int, shown.split(",")), voxel, keys, strict=True):
        for _ in range(abs(to - now)):
            page.keyboard.press(more if to > now else less)


def measure(page: Page, size: Size, processes: Processes) -> dict[str, Any]:
    shown = "() => performance.getEntriesByName('shown').length > 0"
    page.locator("main.room[data-revision]").wait_for(timeout=PATIENCE_MS)
    page.wait_for_function(shown, timeout=PATIENCE_MS)
    meter = Meter(*processes)
    page.reload()
    page.wait_for_function(shown, timeout=PATIENCE_MS)
    result: dict[str, Any] = {"first_picture": meter.read(), "frame": {}}
    frame = result["frame"]
    for name in ("axial", "coronal", "sagittal", "mip"):
        frame[name] = of_frames(page, _SCROLL, f".pane.{name}", processes)
    frame["fuse"] = of_frames(page, _PRESS, "[]", processes)
    result["click"] = of_clicks(page, size, processes)
    frame["mask"] = of_frames(page, _PRESS, "m", processes)
    return result


def of_frames(page: Page, act: str, on: str, processes: Processes) -> dict[str, float]:
    """What a picture takes, of many."""
    meter = Meter(*processes)
    page.evaluate(act, [on, FRAMES])
    return meter.read(FRAMES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grid", nargs="+", default=["400x400x326@2.04x2.04x3", "200x200x963@4.07x4.07x2"])
    parser.add_argument("--out", type=Path, help="a JSON file to keep")
    arguments = parser.parse_args()
    for name in arguments.grid:
        grid = parse_grid(name)
        found = of_grid(grid.size, grid.spacing)
        print(json.dumps({name: found}), flush=True)
        if arguments.out is not None:
            keep({name.partition("@")[0]: found}, arguments.out)


def of_grid(size: Size, spacing: tuple[float, float, float]) -> dict[str, Any]:
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch) / "study"
        folder.mkdir()
        make_study(size, spacing, folder)
        alone = of_session(folder, size)
        command = [sys.executable, "-c", "from sam_pet.cli.app import main; main()", "serve", str(folder)]
        options = ["--folder", f"{scratch}/app", "--device", "cpu", "--no-browser"]
        server = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True, encoding="utf-8")
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = chromium.new_page(viewport={"width": 1600, "height": 900})
            page.goto(address)
            # Playwright's driver is a child of this process, and Chromium one of its.
            result = measure(page, size, (os.getpid(), server.pid))
        finally:
            server.terminate()
            server.wait()
    result["session"] = alone
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    result["page_bytes"] = sum(len(gzip.compress(path.read_bytes())) for path in files)
    return {"load": [round(before, 1), round(os.getloadavg()[0], 1)], **result}


if __name__ == "__main__":
    main()
