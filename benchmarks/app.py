"""How fast the page of `sam-pet serve` is in Chromium without a graphics card.

    python benchmarks/app.py --size 400 400 326 --spacing 2.04 2.04 3
    python benchmarks/app.py --size 200 200 963 --spacing 4.07 4.07 2

Prints one JSON object: seconds from the end of reading to the first picture, frames a second while slices scroll, the
projection turns and the windows change, and seconds from a click to its mask on the screen beside those of a `Session`
without a page. The study is simulated: a cylinder of soft tissue with hot balls.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from playwright.sync_api import Page, sync_playwright

import sam_pet

STATIC = Path(sam_pet.__file__).parent / "app" / "static"
# Places as shares of the volume, radius in mm, SUV.
BALLS = (((0.5, 0.45, 0.8), 20, 12.0), ((0.42, 0.5, 0.55), 12, 9.0), ((0.58, 0.52, 0.3), 15, 14.0))
FRAMES = 60
_SCROLL = """async ([selector, frames]) => {
  const pane = document.querySelector(selector);
  const frame = () => new Promise(done => requestAnimationFrame(done));
  const times = [];
  await frame();
  for (let i = 0; i < frames; i++) {
    const start = performance.now();
    pane.dispatchEvent(new WheelEvent('wheel', {deltaY: 1, cancelable: true}));
    await frame();
    await frame();
    times.push(performance.now() - start);
  }
  return times;
}"""


def make_study(size: tuple[int, int, int], spacing: tuple[float, float, float], folder: Path) -> None:
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


def centre(size: tuple[int, int, int], ball: int) -> tuple[int, int, int]:
    x, y, z = (int(share * n) for share, n in zip(BALLS[ball][0], size, strict=True))
    return x, y, z


def session_seconds(folder: Path, size: tuple[int, int, int]) -> list[float]:
    """What the clicks take without a server or page."""
    study = sam_pet.read_study(ct=folder / "CT.mha", pet=folder / "SUV.mha")
    session = sam_pet.Segmenter.from_pretrained("default", device="cpu").open(study)
    seconds = []
    for ball in range(len(BALLS)):
        start = time.perf_counter()
        session.add_click(centre(size, ball))
        seconds.append(time.perf_counter() - start)
    return seconds


def clicked_seconds(page: Page, size: tuple[int, int, int]) -> list[float]:
    """From the key that says "lesion" at the crosshair to the frame that shows the mask."""
    seconds = []
    for ball in range(len(BALLS)):
        _go_to(page, centre(size, ball))
        seconds.append(
            page.evaluate("""async () => {
              const room = document.querySelector('main.room'), before = room.dataset.revision;
              const start = performance.now();
              document.dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}));
              while (room.dataset.revision === before) await new Promise(done => setTimeout(done, 2));
              await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
              return (performance.now() - start) / 1000;
            }""")
        )
    return seconds


def _go_to(page: Page, voxel: tuple[int, int, int]) -> None:
    shown = page.locator(".readout").inner_text().split("voxel ")[1].split(" ·")[0]
    page.keyboard.press("1")
    keys = (("ArrowLeft", "ArrowRight"), ("ArrowUp", "ArrowDown"), ("PageDown", "PageUp"))
    for now, to, (less, more) in zip(map(int, shown.split(",")), voxel, keys, strict=True):
        for _ in range(abs(to - now)):
            page.keyboard.press(more if to > now else less)


def frames_a_second(page: Page, selector: str) -> float:
    return round(1000 / float(np.mean(page.evaluate(_SCROLL, [selector, FRAMES]))), 1)


def measure(page: Page, size: tuple[int, int, int]) -> dict[str, Any]:
    page.locator("main.room[data-revision]").wait_for(timeout=600_000)
    page.wait_for_function("performance.getEntriesByName('shown').length > 0", timeout=600_000)
    read, shown = (
        page.evaluate("name => performance.getEntriesByName(name)[0].startTime", name) for name in ("read", "shown")
    )
    first = (shown - read) / 1000
    fps = {name: frames_a_second(page, f".pane.{name}") for name in ("axial", "coronal", "sagittal", "mip")}
    return {"first_picture_s": round(first, 2), "frames_a_second": fps, "click_to_mask_s": clicked_seconds(page, size)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, nargs=3, default=(400, 400, 326))
    parser.add_argument("--spacing", type=float, nargs=3, default=(2.04, 2.04, 3.0))
    arguments = parser.parse_args()
    size = tuple(arguments.size)
    with tempfile.TemporaryDirectory() as scratch, sync_playwright() as playwright:
        folder = Path(scratch) / "study"
        folder.mkdir()
        make_study(size, tuple(arguments.spacing), folder)
        alone = session_seconds(folder, size)
        command = [sys.executable, "-c", "from sam_pet.cli.app import main; main()", "serve", str(folder)]
        options = ["--folder", f"{scratch}/app", "--device", "cpu", "--no-browser"]
        server = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = chromium.new_page(viewport={"width": 1600, "height": 900})
            page.goto(address)
            result = measure(page, size)
        finally:
            server.terminate()
            server.wait()
    result["session_s"] = alone
    allowed = [1.3 * s + 0.15 for s in alone]
    result["click_is_quick"] = [took <= most for took, most in zip(result["click_to_mask_s"], allowed, strict=True)]
    files = [path for path in STATIC.rglob("*") if path.is_file()]
    result["page_bytes"] = sum(len(gzip.compress(path.read_bytes())) for path in files)
    print(json.dumps({"size": size, **result}))


if __name__ == "__main__":
    main()
