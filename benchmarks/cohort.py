"""`sam-pet batch` over small simulated studies: what it costs beyond the work, and what a second worker is worth.

    python benchmarks/cohort.py --out benchmarks/results/cohort.json [--studies 60] [--ray]

First what one whole body costs, without prompts. Then small studies, of which three more are bad: one is damaged, one
is empty, one has another's name. With `--ray` two workers of a Ray cluster of this machine do the work as well, one of
them killed in the middle. All masks are compared with those of the function that `sam-pet segment` calls. Seconds are
those of the clock; CPU seconds of all processes stand beside them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from kept import keep

from sam_pet import outputs
from sam_pet.benchmark.resources import measured
from sam_pet.cohort.folder import CohortFolder
from sam_pet.cohort.job import SegmentStudy
from sam_pet.cohort.local_pool import over_processes
from sam_pet.cohort.studies import find_studies
from sam_pet.files import write_image
from sam_pet.geometry import Grid
from sam_pet.phantom import make_phantom, write_folder
from sam_pet.phantom.frame import parse_grid
from sam_pet.requests import read_request
from sam_pet.segmenter import Segmenter

PROGRAM = str(Path(sys.executable).with_name("sam-pet"))
MODEL = "default"
WHOLE_BODIES = ("400x400x326@2.036x2.036x3", "200x200x963@4.07x4.07x2")
SEED = 11


def write_studies(root: Path, count: int, side: int) -> None:
    """Two hot balls in a warm body each, with a click on both; no two studies are alike."""
    grid = Grid((side, side, side), (5.0, 5.0, 4.0))
    z, y, x = np.mgrid[:side, :side, :side]
    for number in range(count):
        rng = np.random.default_rng(number)
        pet = (0.8 + 0.1 * rng.random(grid.shape)).astype(np.float32)
        clicks = []
        for half in (0, 1):
            cx, cy, cz = (int(n) for n in rng.integers(8, side - 8, 3))
            cz = cz // 2 + half * side // 2
            pet[((x - cx) * 5) ** 2 + ((y - cy) * 5) ** 2 + ((z - cz) * 4) ** 2 < rng.uniform(10, 18) ** 2] = 8.0
            clicks.append([cx, cy, cz])
        folder = root / f"S{number:03d}"
        folder.mkdir(parents=True)
        write_image(grid.image(pet), folder / "SUV.nii.gz")
        (folder / "prompts.json").write_text(json.dumps({"tumor": clicks, "background": []}), encoding="utf-8")


def write_table(root: Path, count: int) -> Path:
    """The sound studies and three bad ones."""
    (root / "damaged").mkdir()
    content = (root / "S000" / "SUV.nii.gz").read_bytes()
    (root / "damaged" / "SUV.nii.gz").write_bytes(content[: len(content) // 2])
    (root / "empty").mkdir()
    names = [f"S{number:03d}" for number in range(count)]
    rows = [f"{name},{name}/SUV.nii.gz,{name}/prompts.json" for name in names]
    rows[count // 2 : count // 2] = ["damaged,damaged/SUV.nii.gz,", "empty,empty/SUV.nii.gz,", "S001,S000/SUV.nii.gz,"]
    table = root / "studies.csv"
    table.write_text("name,pet,prompts\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return table


def batch(table: Path, out: Path, *options: str, kill_after: int | None = None) -> dict[str, Any]:
    """A run: its seconds, those from its first result to its last sound one, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    command = [
        PROGRAM,
        "batch",
        "--studies",
        str(table),
        "--out",
        str(out),
        "--model",
        MODEL,
        "--device",
        "cpu",
        "--json",
    ]
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, encoding="utf-8"
    )
    assert process.stdout is not None
    lines, times = [], []
    for line in process.stdout:
        lines.append(json.loads(line))
        if "error" not in lines[-1]:
            times.append(time.perf_counter() - started)
        if len(times) == kill_after:
            os.kill(workers()[0], signal.SIGKILL)
            kill_after = None
    process.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "lines": lines,
        "wall_s": round(time.perf_counter() - started, 2),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
        "first_s": round(times[0], 2) if times else None,
        "studies_a_minute": round(60 * (len(times) - 1) / (times[-1] - times[0]), 1) if len(times) > 1 else None,
    }


def workers() -> list[int]:
    """The processes of Ray's actors."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::_Worker"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def whole_body(grid: str, root: Path) -> dict[str, float]:
    """CPU seconds of each step of a worker on a simulated study, what it reads and writes, and its peak memory."""
    phantom = make_phantom(SEED, "fdg", parse_grid(grid), lesion_free=False)
    write_folder(phantom, "whole", root / "studies")
    del phantom
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(steps_of_a_worker, root).result()


def steps_of_a_worker(root: Path) -> dict[str, float]:
    (study,) = find_studies(root / "studies")
    Segmenter.from_pretrained(MODEL, "cpu")
    found: dict[str, float] = {"start_s": time.process_time()}  # all imports with it
    for reports in (False, True):
        job = SegmentStudy(CohortFolder(root / f"out{reports}"), MODEL, "cpu", reports)
        times = [time.process_time()]
        passed: Any = study
        with measured() as usage:
            for act in (job.read, job.work, job.write):
                passed = act(passed)
                times.append(time.process_time())
        assert "error" not in passed, passed
        spent = [after - before for before, after in pairwise(times)]
        if reports:
            found["report_s"] = spent[2] - found["write_s"]
        else:
            found |= dict(zip(("read_s", "answer_s", "write_s"), spent, strict=True))
            found["lesions"] = passed["lesions"]
            found["out_kb"] = size(root / "outFalse") / 1e3
            found["in_mb"] = size(root / "studies") / 1e6
            found["peak_mb"] = usage.peak_mb or 0.0
    found["report_mb"] = (size(root / "outTrue") - size(root / "outFalse")) / 1e6
    return {name: round(value, 3) for name, value in found.items()}


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "whole").iterdir())


def by_segment(root: Path, count: int, out: Path) -> dict[str, float]:
    """The same studies in this process by what `segment` calls: the work itself."""
    segmenter = Segmenter.from_pretrained(MODEL, "cpu")
    wall, cpu = time.perf_counter(), time.process_time()
    for number in range(count):
        folder = root / f"S{number:03d}"
        request = read_request(folder / "SUV.nii.gz", None, folder / "prompts.json")
        session = request.answered(segmenter)
        labels, _ = session.labels, session.lesions
        outputs.write_mask(labels, request.study.grid, out / f"{folder.name}.nii.gz")
    return {"wall_s": round(time.perf_counter() - wall, 2), "cpu_s": round(time.process_time() - cpu, 2)}


def check(run: dict[str, Any], out: Path, alone: Path, count: int) -> None:
    """Every sound study is done once with the bytes of `segment`, the bad ones are listed."""
    lines = run.pop("lines")
    assert len(lines) == count + 3, len(lines)
    bad = sorted(line["name"] for line in lines if "error" in line)
    assert bad == ["S001", "damaged", "empty"], bad
    names = [line["name"] for line in lines if "error" not in line]
    assert len(set(names)) == len(names) == count
    for name in names:
        assert (out / name / "mask.nii.gz").read_bytes() == (alone / f"{name}.nii.gz").read_bytes(), name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=60)
    parser.add_argument("--side", type=int, default=40, help="voxels along each axis")
    parser.add_argument("--ray", action="store_true", help="also on a Ray cluster of this machine")
    parser.add_argument("--out", type=Path, help="a JSON file")
    arguments = parser.parse_args()
    count = arguments.studies
    found: dict[str, Any] = {"studies": count}
    with tempfile.TemporaryDirectory(prefix="sam-pet-cohort-") as scratch:
        found["whole_body"] = {}
        for grid in WHOLE_BODIES:
            found["whole_body"][grid] = whole_body(grid, Path(scratch) / grid)
            print(json.dumps({grid: found["whole_body"][grid]}), flush=True)
        root, alone = Path(scratch) / "in", Path(scratch) / "alone"
        write_studies(root, count, arguments.side)
        table = write_table(root, count)
        found["work"] = by_segment(root, count, alone)
        for number in (1, 2):
            found["load"] = os.getloadavg()[0]
            out = Path(scratch) / f"out{number}"
            found[f"workers_{number}"] = run = batch(table, out, "--workers", str(number))
            check(run, out, alone, count)
            print(json.dumps({f"workers_{number}": run, "load": found["load"]}), flush=True)
        written = {path: path.stat().st_mtime_ns for path in out.glob("*/mask.nii.gz")}
        found["second_start"] = again = batch(table, out, "--workers", "2")
        assert sum("resumed" in line for line in again["lines"]) == count
        assert {path: path.stat().st_mtime_ns for path in written} == written
        del again["lines"]
        if arguments.ray:
            found["ray_2_killed"] = on_ray(table, Path(scratch), alone, count)
    one, two = found["workers_1"], found["workers_2"]
    found["speedup_of_two"] = round(two["studies_a_minute"] / one["studies_a_minute"], 2)
    found["speedup_of_two_asleep"] = engine_speedup()
    found["overhead_cpu_s_a_study"] = round((one["cpu_s"] - found["work"]["cpu_s"]) / count, 3)
    found["of_that_start_up"] = round((found["second_start"]["cpu_s"] + start_up()) / count, 3)
    print(json.dumps(found, indent=2))
    if arguments.out is not None:
        keep(found, arguments.out)


def asleep(seconds: float) -> float:
    time.sleep(seconds)
    return time.perf_counter()


def engine_speedup(tasks: int = 24, seconds: float = 0.5) -> float:
    """What a second worker is worth where the work does not need a core: the engine alone, on whatever machine."""
    rates = []
    for number in (1, 2):
        ends = sorted(end for _, end in over_processes([seconds] * tasks, asleep, number) if end is not None)
        # Without the start of the processes.
        rates.append((tasks - number) / (ends[-1] - ends[number - 1]))
    return round(rates[1] / rates[0], 2)


def start_up() -> float:
    """CPU seconds that a worker takes to import and load the model."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = f"from sam_pet.segmenter import Segmenter; Segmenter.from_pretrained({MODEL!r}, 'cpu')"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def on_ray(table: Path, scratch: Path, alone: Path, count: int) -> dict[str, Any]:
    from tests.cohort.ray_head import RayHead

    out = scratch / "out_ray"
    with tempfile.TemporaryDirectory(prefix="r-") as short, RayHead(Path(short)) as head:
        run = batch(table, out, "--ray", head.address, "--memory", "1", kill_after=count // 2)
        check(run, out, alone, count)
        return run


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    main()
