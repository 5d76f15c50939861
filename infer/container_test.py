"""`make container-test`: the container on three whole-body phantoms, within the challenge's limits and our own.

Where docker or podman runs the image is built with it; else a root file system is made by the Dockerfile's steps and
run in a sandbox. The scores must be those of `sam-pet evaluate`, and the file list must hold neither test data nor
compilers.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from engines import IMAGE, Docker, Engine, Sandbox, find_program
from interactive_loop import Scored, challenge_name, loop
from rich.console import Console
from rich.table import Table
from rootfs import REPOSITORY, build, image_key

from sam_pet.benchmark.protocol import Protocol
from sam_pet.benchmark.run import evaluate
from sam_pet.cases import Case, find_cases
from sam_pet.files import write_json
from sam_pet.phantom import Tracer, make_phantom, write_nnunet
from sam_pet.phantom.frame import parse_grid

logger = logging.getLogger("container-test")

FIRST_STEP_S, LATER_STEP_S, PEAK_GB = 120.0, 45.0, 6.0
METHOD, READER = "sam-pet-container", "scribble-mixed"
_COMPILERS = re.compile(
    r"(^|/)(bin|sbin)/([\w.-]+-)?(gcc|g\+\+|cc|c\+\+|clang|ld|as|make|cmake|nvcc|ptxas|rustc|go)(-\d+)?$"
)
_DATA = re.compile(
    r"\.(nii|nii\.gz|mha|mhd|nrrd|dcm|mrk\.json)$|(^|/)tests/|(^|/)torch/(test|include)/|(^|/)lesion-clicks\.json$"
)


@dataclass(frozen=True)
class Wanted:
    """A phantom of the test."""

    seed: int
    tracer: Tracer
    grid: str
    lesion_free: bool


PHANTOMS = {
    "fdg_400x400x326": Wanted(90001, "fdg", "400x400x326@2.036x2.036x3", False),
    "psma_200x200x963": Wanted(90002, "psma", "200x200x963@4.073x4.073x2", False),
    "fdg_without_lesions": Wanted(90003, "fdg", "400x400x326@2.036x2.036x3", True),
}


def phantoms(folder: Path, wanted: dict[str, Wanted]) -> list[Case]:
    """The phantoms as cases; those that are there are kept."""
    for name, w in wanted.items():
        if not (folder / "labelsTr" / f"{name}.nii.gz").exists():
            logger.info("phantom %s", name)
            made = make_phantom(w.seed, w.tracer, parse_grid(w.grid), lesion_free=w.lesion_free)
            write_nnunet(made, name, folder, instances=False)
    return find_cases(folder, list(wanted))


def unwanted(names: Iterable[str]) -> list[str]:
    """Of an image's files, by path, those that have no place in it."""
    return [name for name in names if _COMPILERS.search(name) or _DATA.search(name)]


def image(work: Path) -> tuple[Engine, list[str], float]:
    """The engine with the image built, the image's files, and its size in GB."""
    program = find_program()
    if program is None:
        root, config = build(work)
        files = [p for p in root.rglob("*") if p.is_file() and not p.is_symlink()]
        names, sizes = [p.relative_to(root).as_posix() for p in files], [p.stat().st_size for p in files]
        return Sandbox(root, config), names, sum(sizes) / 1e9
    subprocess.run([REPOSITORY / "infer" / "build.sh"], check=True, env={**os.environ, "ENGINE": program})
    created = subprocess.run([program, "create", IMAGE], capture_output=True, text=True, check=True).stdout.strip()
    try:
        exported = subprocess.Popen([program, "export", created], stdout=subprocess.PIPE)
        with exported, tarfile.open(fileobj=exported.stdout, mode="r|") as tar:
            members = [m for m in tar if m.isfile()]
    finally:
        subprocess.run([program, "rm", created], capture_output=True, check=False)
    return Docker(program), [m.name for m in members], sum(m.size for m in members) / 1e9


def differing(cases: list[Case], results: dict[str, list[Scored]], out: Path) -> list[str]:
    """Where the scores are not those of `sam-pet evaluate`."""
    # What an earlier run with other code left there would count as done.
    shutil.rmtree(out, ignore_errors=True)
    protocol = Protocol(READER, steps=5, start="nothing", seed=42)
    expected = {r["case"]: r for r in evaluate(cases, [METHOD], protocol, out)}
    faults = []
    for case in cases:
        rows = expected[case.name].get("rows")
        if rows is None:
            faults.append(f"{case.name}: sam-pet evaluate failed: {expected[case.name]['error']}")
            continue
        theirs = [(row["dice"], row["dmm"]) for row in rows]
        ours = [(s.dice, s.dmm) for s in results[challenge_name(case)]]
        if theirs != ours:
            faults.append(f"{case.name}: scores {ours}, by sam-pet evaluate {theirs}")
    return faults


def beyond_limits(results: dict[str, list[Scored]]) -> list[str]:
    """What took too long or too much, or went wrong."""
    faults = []
    for name, steps in results.items():
        for s in steps:
            allowed = FIRST_STEP_S if s.iteration == 0 else LATER_STEP_S
            if s.fault or (s.report or {}).get("fallback", True):
                faults.append(f"{name} step {s.iteration}: {s.fault or 'a fallback'}")
            if s.seconds > allowed:
                faults.append(f"{name} step {s.iteration}: {s.seconds:.0f} s, allowed {allowed:.0f}")
            if s.peak_gb is not None and s.peak_gb > PEAK_GB:
                faults.append(f"{name} step {s.iteration}: {s.peak_gb:.1f} GB, allowed {PEAK_GB:g}")
    return faults


def show(results: dict[str, list[Scored]]) -> None:
    table = Table("case", "step", "Dice", "DMM", "seconds", "CPU seconds", "peak (GB)", "worker alone (GB)")
    for name, steps in results.items():
        for s in steps:
            report = s.report or {}
            own = report["peak_mb"] / 1000 if report else None
            figures = (s.dice, s.dmm, s.seconds, report.get("cpu_seconds"), s.peak_gb, own)
            table.add_row(name, str(s.iteration), *("-" if value is None else f"{value:.3g}" for value in figures))
    Console().print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, default=REPOSITORY / "infer" / "build")
    parser.add_argument("--phantom", nargs="+", choices=tuple(PHANTOMS), default=list(PHANTOMS))
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(message)s")
    began, key = time.monotonic(), image_key()
    engine, names, size = image(arguments.work)
    faults = [f"the image holds {name}" for name in unwanted(names)]
    logger.info("image: %d files, %.2f GB, run by %s", len(names), size, engine.name)
    cases = phantoms(arguments.work / "phantoms", {name: PHANTOMS[name] for name in arguments.phantom})
    out = arguments.work / "container-test"
    results = loop(cases, engine, out, READER)
    show(results)
    faults += beyond_limits(results) + differing(cases, results, out / "evaluate")
    if image_key() != key:
        faults.append("the checkout has changed since the image was made: run the test again")
    write_json(
        {"image_gb": size, "engine": engine.name, "cpus": os.cpu_count(), "faults": faults}, out / "summary.json"
    )
    seconds, cpus = time.monotonic() - began, len(os.sched_getaffinity(0))
    print(f"scores: {out / 'dice_scores.json'}; {seconds:.0f} s in all on {cpus} CPUs")
    for fault in faults:
        print(f"FAULT: {fault}")
    print(json.dumps({"faults": len(faults), "image_gb": round(size, 2)}))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
