"""How much processor time each operation takes, and how much other ways to use the same weights take, in one run.

    python benchmarks/speed.py [--out benchmarks/results/speed.json] [--repeats 5] [--only PART ...]
                               [--grid 400x400x326@2.036x2.036x3] [--others 1] [--model default]

Parts: `start` (imports, the command line, a whole `sam-pet segment`), `reading` (a `.nii.gz` against SimpleITK),
`operations` (first click, tumor and background stroke, first answer), `others` (the loop of `transformers` and
slice-by-slice prompting, on so many lesions one click each), `scaling` (over slices, lesions and strokes).

All figures are processor seconds of one thread, medians of `--repeats`, what is compared taken in turn: on a machine
that others use as well, seconds of one run can be compared with each other, and ratios with those of other runs. What
a machine cannot change, the counted work, is in `counted_work.json`.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from counted import strokes
from interactive import inner_voxels
from kept import keep
from rich.console import Console
from rich.table import Table

from sam_pet.demo import small_phantom
from sam_pet.files import write_image, write_json
from sam_pet.methods import make_method
from sam_pet.phantom import Phantom, make_phantom
from sam_pet.phantom.frame import parse_grid
from sam_pet.prompts import Click
from sam_pet.readers import Stroke
from sam_pet.segmenter import Segmenter
from sam_pet.study import Study

PARTS = ("start", "reading", "operations", "others", "scaling")
Row = dict[str, float | str]
_SEED = 11
# The peak of a process, which `getrusage` takes over from the one that started it.
_READ = """
import sys, time
{load}
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024
before, started = peak(), time.process_time()
image = {read}
print(time.process_time() - started, peak() - before)
"""
_READERS = {
    "SimpleITK": ("import SimpleITK", "SimpleITK.ReadImage(sys.argv[1])"),
    "sam_pet": ("from sam_pet.files import read_image", "read_image(sys.argv[1], 'PET')"),
}


@dataclass(frozen=True)
class Setting:
    """What is measured: a large simulated study, the clicked voxels of its lesions, and how often."""

    phantom: Phantom
    voxels: list[tuple[int, int, int]]
    segmenter: Segmenter
    repeats: int
    others: int
    model: str


def child(command: list[str], repeats: int) -> float:
    """Processor seconds of a command, median."""
    seconds = []
    for _ in range(repeats):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(seconds)


def spent(act: Callable[[], object]) -> float:
    started = time.process_time()
    act()
    return time.process_time() - started


def start(setting: Setting) -> list[Row]:
    python = sys.executable
    cli = [python, "-c", "from sam_pet.cli.app import main; main()"]
    with tempfile.TemporaryDirectory() as folder:
        place, phantom = Path(folder), small_phantom()
        for name, array in (("ct", phantom.study.ct), ("pet", phantom.study.pet)):
            write_image(phantom.study.grid.image(array), place / f"{name}.nii.gz")
        (voxel,) = inner_voxels(phantom.lesions, phantom.study.grid.spacing, 1)
        write_json({"tumor": [voxel]}, place / "clicks.json")
        given = [f"--{name}={place / name}.nii.gz" for name in ("ct", "pet")]
        given += [f"--prompts={place / 'clicks.json'}", f"--out={place / 'mask.mha'}"]
        runs = {
            "python": [python, "-c", ""],
            "import sam_pet": [python, "-c", "import sam_pet"],
            "import torch": [python, "-c", "import torch"],
            "sam-pet --help": [*cli, "--help"],
            "a model loaded": [python, "-c", "from sam_pet.models import load_model; load_model('default')"],
            "sam-pet segment, one click": [*cli, "segment", *given],
        }  # fmt: skip
        return [{"what": name, "cpu_s": child(run, setting.repeats)} for name, run in runs.items()]


def reading(setting: Setting) -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pet.nii.gz"
        write_image(setting.phantom.study.grid.image(setting.phantom.study.pet), path)
        found: dict[str, list[list[float]]] = {name: [] for name in _READERS}
        for _ in range(setting.repeats):
            for name, (load, read) in _READERS.items():
                command = [sys.executable, "-c", _READ.format(load=load, read=read), str(path)]
                told = subprocess.run(command, check=True, capture_output=True, text=True, encoding="utf-8").stdout
                found[name].append([float(value) for value in told.split()])
    for name, times in found.items():
        cpu_s, memory = (statistics.median(column) for column in zip(*times, strict=True))
        rows.append({"what": f"reading, {name}", "cpu_s": cpu_s, "peak_mb": memory})
    for key in ("cpu_s", "peak_mb"):
        rows[1][f"{key}_ratio"] = float(rows[1][key]) / float(rows[0][key])
    return rows


def operations(setting: Setting) -> list[Row]:
    times: dict[str, list[float]] = {}
    for voxel in setting.voxels[:3] * setting.repeats:
        session = setting.segmenter.open(setting.phantom.study)
        for name, act in strokes(session, voxel):
            times.setdefault(name, []).append(spent(lambda act=act, session=session: (act(), session.mask)))  # type: ignore[misc]
    for _ in range(max(setting.repeats // 2, 1)):
        session = setting.segmenter.open(setting.phantom.study)
        times.setdefault("first answer", []).append(spent(session.first_answer))
        times.setdefault("scores after a first answer", []).append(spent(lambda session=session: session.scores))  # type: ignore[misc]
    rows = [{"what": name, "cpu_s": statistics.median(values)} for name, values in times.items()]
    return [{**row, "to_first_click": float(row["cpu_s"]) / float(rows[0]["cpu_s"])} for row in rows]


def others(setting: Setting) -> list[Row]:
    """One click on each of some lesions; memory stays what it is, so each runs once."""
    rows: list[Row] = []
    for name in ("sam-pet", "sam2-slices", "sam2-stock"):
        method = make_method(f"{name}:{setting.model}")
        session = method.open(setting.phantom.study)
        clicks = [Stroke.of(Click(voxel)) for voxel in setting.voxels[: setting.others]]
        seconds = spent(lambda session=session, clicks=clicks: [session.add(click) for click in clicks])  # type: ignore[misc]
        rows.append({"what": f"{len(clicks)} lesions, {name}", "cpu_s": seconds})
    return [{**row, "to_ours": float(row["cpu_s"]) / float(rows[0]["cpu_s"])} for row in rows]


def scaling(setting: Setting) -> list[Row]:
    rows: list[Row] = []
    phantom = make_phantom(_SEED, "fdg", parse_grid("100x100x1000@5x5x2"), lesion_free=False)
    ((x, y, z),) = inner_voxels(phantom.lesions, phantom.study.grid.spacing, 1)
    first = min(max(z - 50, 0), 900)
    for study, voxel in ((slices_of(phantom.study, first, 100), (x, y, z - first)), (phantom.study, (x, y, z))):
        act = lambda study=study, voxel=voxel: setting.segmenter.open(study).add_click(voxel)  # noqa: E731
        rows.append({"what": f"first click, {study.grid.size[2]} slices", "cpu_s": _median(act, setting.repeats)})
    session = setting.segmenter.open(setting.phantom.study)
    for number, voxel in enumerate(setting.voxels, 1):
        rows.append({"what": f"click on lesion {number}", "cpu_s": spent(lambda v=voxel: session.add_click(v))})  # type: ignore[misc]
    x, y, z = setting.voxels[0]
    strokes_s = [spent(lambda i=i: session.add_click((x, y, z + i % 2))) for i in range(20)]  # type: ignore[misc]
    rows.append({"what": "strokes 1 to 5", "cpu_s": statistics.median(strokes_s[:5])})
    rows.append({"what": "strokes 16 to 20", "cpu_s": statistics.median(strokes_s[15:])})
    return rows


def slices_of(study: Study, first: int, count: int) -> Study:
    """A part of an axial study, from a slice on."""
    assert study.ct is not None
    grid, part = study.grid, slice(first, first + count)
    x, y, z = grid.origin
    cut = replace(grid, size=(*grid.size[:2], count), origin=(x, y, z + first * grid.spacing[2]))
    return Study(study.pet[part], study.ct[part], cut)


def _median(act: Callable[[], object], repeats: int) -> float:
    act()
    return statistics.median(spent(act) for _ in range(repeats))


def table(found: Mapping[str, list[Row]]) -> Table:
    shown = Table("operation", "CPU s", "peak MB", "ratio")
    for rows in found.values():
        for row in rows:
            ratios = [f"{key.removesuffix('_ratio')} x {value:.2f}" for key, value in row.items()
                      if isinstance(value, float) and ("ratio" in key or key.startswith("to_"))]  # fmt: skip
            memory = f"{row['peak_mb']:.0f}" if "peak_mb" in row else ""
            shown.add_row(str(row["what"]), f"{row['cpu_s']:.3f}", memory, ", ".join(ratios))
        shown.add_section()
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--grid", default="400x400x326@2.036x2.036x3")
    parser.add_argument("--others", type=int, default=1, help="lesions that the other ways are measured on")
    parser.add_argument("--model", default="default")
    options = parser.parse_args()

    torch.set_num_threads(1)
    phantom = make_phantom(_SEED, "fdg", parse_grid(options.grid), lesion_free=False)
    voxels = inner_voxels(phantom.lesions, phantom.study.grid.spacing, 6)
    segmenter = Segmenter.from_pretrained(options.model, "cpu")
    setting = Setting(phantom, voxels, segmenter, options.repeats, options.others, options.model)
    segmenter.open(phantom.study).add_click(voxels[0])
    parts: dict[str, Callable[[Setting], list[Row]]] = {
        "start": start, "reading": reading, "operations": operations, "others": others, "scaling": scaling,
    }  # fmt: skip
    found: dict[str, list[Row]] = {}
    for name in options.only:
        print(f"{name} ...", file=sys.stderr, flush=True)
        found[name] = [
            {key: round(value, 4) if isinstance(value, float) else value for key, value in row.items()}
            for row in parts[name](setting)
        ]
        if options.out:
            keep({"grid": options.grid, "repeats": options.repeats, name: found[name]}, options.out)
    Console().print(table(found))


if __name__ == "__main__":
    main()
