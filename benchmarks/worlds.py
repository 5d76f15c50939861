"""The whole loop on worlds that nobody tunes to, with and without a first answer.

    python benchmarks/worlds.py --data DATA --out runs/worlds --world A B D --n 6
    python benchmarks/worlds.py --data DATA --out runs/worlds --world E --simulator crude.py --coarsest-mm 4
    python benchmarks/worlds.py --data DATA --out runs/worlds --world C:uptake --model TRAINED_WITHOUT_UPTAKE

A: phantoms of unseen seeds. B: real organ maps with their patients' lesions, else the usual phantom. C:GROUP: as B,
with all settings far wider, for a model trained without the group. T: as C, on organ maps of patients handed out for
training, every fifth from the third on, which no recipe takes: choices are made here. D: real studies: sarcomas 1 to
20, one of them also as a whole body, a lung tumour. E: the studies of another simulator, a script that is called as
`SCRIPT MAPS OUT N`. DATA holds autopet/anatomy, autopet/train, sts, wholebody and lung. Each case is one line of
OUT/cases.jsonl: started again, the run goes on. Each case's last mask is drawn in OUT/pictures.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
import torch
from kept import keep

from sam_pet.benchmark.pictures import picture
from sam_pet.benchmark.protocol import Protocol, run_case
from sam_pet.benchmark.watched import Watched
from sam_pet.cases import Case, find_cases
from sam_pet.geometry import Grid
from sam_pet.methods import make_method
from sam_pet.phantom import Phantom, make_phantom, make_wide, read_patients
from sam_pet.phantom.frame import parse_grid
from sam_pet.phantom.wide import GROUPS, table_lesions
from sam_pet.plots.style import png
from sam_pet.readers import CHALLENGE_SEED, make_reader
from sam_pet.study import Study

WORSE = 0.01
COARSE = {"fdg": "176x144x326@4x4x3", "psma": "176x144x326@4x4x3"}


@dataclass(frozen=True)
class Held(Case):
    """A case in memory."""

    held: Study
    truth_mask: np.ndarray

    def study(self) -> Study:
        return self.held

    def mask(self, grid: Grid) -> np.ndarray:
        del grid
        return self.truth_mask


@dataclass(frozen=True)
class Plan:
    world: str
    name: str
    number: int
    path: Path | None = None


def plans(world: str, options: argparse.Namespace) -> list[Plan]:
    data, n = options.data, options.n
    if world == "A":
        tracers = ("fdg", "psma")
        return [Plan(world, f"{tracers[i % 2]}_sim{options.first + i}_0", options.first + i) for i in range(n)]
    if world == "T":
        patients = read_patients(data / "autopet" / "train")
        kept = range(2, len(patients), 5)
        return [Plan(world, patients[kept[i]].name, kept[i], data / "autopet" / "train") for i in spaced(len(kept), n)]
    if world == "B" or world.startswith("C:"):
        patients = read_patients(data / "autopet" / "anatomy")
        return [Plan(world, patients[i].name, i, data / "autopet" / "anatomy") for i in spaced(len(patients), n)]
    if world == "D":
        whole = [Plan(world, "wholebody/STS_001", 0, data / "wholebody"), Plan(world, "A-IA0002109", 0, data / "lung")]
        crops = [Plan(world, f"STS_{i:03d}", i, data / "sts") for i in range(1, 21)]
        return (whole + [crops[i] for i in spaced(len(crops), max(n - 2, 0))])[:n]
    if world == "E":
        folder = options.out / "other"
        maps = data / "autopet" / "anatomy"
        names = [case.name for case in sorted(maps.iterdir()) if (case / "organs.nii.gz").is_file()]
        return [Plan(world, names[i].replace(" ", "_"), i, folder) for i in spaced(len(names), n)]
    raise SystemExit(f"no world {world!r}; known are A, B, C:GROUP ({', '.join(GROUPS)}), D, E and T")


def spaced(count: int, n: int) -> list[int]:
    """Numbers of n of so many, evenly spread."""
    return [int(i) for i in np.linspace(0, count - 1, min(n, count)).round()] if n else []


def case_of(plan: Plan, options: argparse.Namespace) -> Case:
    if plan.world == "A":
        tracer = "psma" if plan.name.startswith("psma") else "fdg"
        grid = parse_grid(COARSE[tracer]) if options.coarsest_mm else None
        return held(plan.name, make_phantom(plan.number, tracer, grid))
    assert plan.path is not None
    if plan.world == "D":
        names = {"wholebody": "STS_001", "lung": "A-IA0002109"}
        return find_cases(plan.path, [names.get(plan.path.name, plan.name)])[0]
    if plan.world == "E":
        return coarser(other_simulator(plan, options), options.coarsest_mm)
    patient = read_patients(plan.path)[plan.number]
    seed = 70000 + plan.number
    if plan.world == "T" or plan.world.startswith("C:"):
        return held(plan.name, make_wide(seed, patient, coarsest_mm=options.coarsest_mm))
    image, patient = patient.read(options.coarsest_mm)
    lesions = table_lesions(seed, patient, Grid.of(image))
    free = not lesions
    return held(plan.name, make_phantom(seed, patient.tracer, anatomy=image, lesions=lesions, lesion_free=free))


def held(name: str, phantom: Phantom) -> Held:
    return Held(name, None, Path(), Path(), phantom.study, (phantom.lesions > 0).astype(np.uint8))


def other_simulator(plan: Plan, options: argparse.Namespace) -> Case:
    """The simulator's study of one map; it is kept in the folder of the run."""
    assert plan.path is not None
    if not (plan.path / plan.name / "SEG.nii.gz").is_file():
        maps = sorted(p for p in (options.data / "autopet" / "anatomy").iterdir() if (p / "organs.nii.gz").is_file())
        one = plan.path / "maps" / plan.name
        one.mkdir(parents=True, exist_ok=True)
        link = one / maps[plan.number].name
        if not link.exists():
            link.symlink_to(maps[plan.number].resolve(), target_is_directory=True)
        subprocess.run([sys.executable, options.simulator, one, plan.path], check=True, stdout=subprocess.DEVNULL)
    return find_cases(plan.path, [plan.name])[0]


def coarser(case: Case, least_mm: float) -> Case:
    """The case on voxels of at least so many mm."""
    study = case.study()
    grid = study.grid
    spacing = tuple(max(s, least_mm) for s in grid.spacing)
    if spacing == grid.spacing or study.ct is None:
        return case
    size = [int(n * s / t) for n, s, t in zip(grid.size, grid.spacing, spacing, strict=True)]

    def moved(array: np.ndarray, how: int) -> sitk.Image:
        image = grid.image(array)
        return sitk.Resample(image, size, sitk.Transform(), how, grid.origin, spacing, grid.direction)

    pet, ct = (sitk.GetArrayFromImage(moved(a, sitk.sitkLinear)) for a in (study.pet, study.ct))
    mask = moved(case.mask(grid), sitk.sitkNearestNeighbor)
    return Held(case.name, None, Path(), Path(), Study(pet, ct, Grid.of(mask)), sitk.GetArrayFromImage(mask))


def run(plan: Plan, first: bool, options: argparse.Namespace) -> dict[str, Any]:
    torch.set_num_threads(1)
    case = case_of(plan, options)
    reader = make_reader(options.reader, plan.name)
    watched = Watched(make_method(options.method), first)
    outcome = run_case(case, watched, reader, Protocol(options.reader, options.steps, "nothing", CHALLENGE_SEED))
    study = case.study()
    truth = case.mask(outcome.grid)
    shown = (
        options.out / "pictures" / f"{plan.world}-{plan.name}-{'first' if first else 'strokes'}.png".replace("/", "_")
    )
    shown.parent.mkdir(parents=True, exist_ok=True)
    shown.write_bytes(png(picture(study, truth, outcome.mask)))
    start = watched.masks(truth.shape[-1])[0] > 0
    ml = outcome.grid.voxel_ml
    return {
        "world": plan.world,
        "case": plan.name,
        "method": options.method,
        "coarsest_mm": options.coarsest_mm,
        "reader": options.reader,
        "first": first,
        "lesions": outcome.facts["lesions"],
        "rows": [{k: row[k] for k in ("step", "label", "dice", "dmm", "fpv_ml", "seconds")} for row in outcome.rows],
        "first_false_ml": round(float((start & (truth == 0)).sum()) * ml, 2),
        "effects": [{**e, "false_added_ml": round(e["false_added"] * ml, 2)} for e in watched.effects(truth)],
        "false_lesions": watched.false_lesions(truth),
        "picture": str(shown),
    }


def summarise(results: list[dict[str, Any]]) -> dict[str, Any]:
    """What the table of worlds shows, of the cases of one world run in one way; None where nothing counts."""

    def mean(values: list[float], digits: int = 2) -> float | None:
        return round(float(np.mean(values)), digits) if values else None

    def area(result: dict[str, Any], what: str) -> float:
        return float(np.trapezoid([row[what] for row in result["rows"]]))

    positive = [r for r in results if r["lesions"]]
    steps = zip(*[[row["dice"] for row in r["rows"]] for r in positive], strict=True)
    changes = [
        b["dice"] - a["dice"] for r in results for a, b in pairwise(r["rows"]) if b["label"] is not None
    ]  # fmt: skip
    stroked = [one for r in results for one in r["false_lesions"]]
    worst = min(positive or results, key=lambda r: area(r, "dice"))
    return {
        "cases": len(results),
        "lesion_free": len(results) - len(positive),
        "dice_by_step": [mean(list(step)) for step in steps],
        "auc_dice": mean([area(r, "dice") for r in positive]),
        "auc_dmm": mean([area(r, "dmm") for r in positive]),
        "lesion_free_auc_dice": mean([area(r, "dice") for r in results if not r["lesions"]]),
        "false_lesions_stroked": len(stroked),
        "gone_after_one": mean([float(one["gone"] == 1) for one in stroked]),
        "gone_after_two": mean([float(one["gone"] in (1, 2)) for one in stroked]),
        "strokes": len(changes),
        "strokes_that_lower_dice": mean([float(c < -WORSE) for c in changes], 3),
        "first_false_ml": [r["first_false_ml"] for r in results if r["first"]],
        "first_false_lesions_ml": [r["rows"][0]["fpv_ml"] for r in results if r["first"]],
        "most_false_ml_a_stroke": max((e["false_added_ml"] for r in results for e in r["effects"]), default=None),
        "obeyed": all(e["obeyed"] for r in results for e in r["effects"]),
        "longest_step_s": round(max(row["seconds"] for r in results for row in r["rows"]), 1),
        "worst": {"case": worst["case"], "auc_dice": round(area(worst, "dice"), 2), "picture": worst["picture"]},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--world", nargs="+", default=["A", "B", "D"])
    parser.add_argument("--n", type=int, default=6, help="cases of each world")
    parser.add_argument("--first", type=int, default=90000, help="first seed of world A")
    parser.add_argument("--simulator", type=Path, help="world E: the script")
    parser.add_argument("--method", default="sam-pet", help="as of sam-pet evaluate: sam-pet:MODEL, stable-region ...")
    parser.add_argument("--reader", default="scribble-mixed")
    parser.add_argument("--coarsest-mm", type=float, default=0.0, help="voxels of at least so many mm: quicker")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--table", type=Path, help="a JSON file to keep the table in, beside other worlds'")
    options = parser.parse_args()
    if "E" in options.world and options.simulator is None:
        parser.error("world E needs --simulator")

    options.out.mkdir(parents=True, exist_ok=True)
    lines = options.out / "cases.jsonl"
    settings = {"method": options.method, "reader": options.reader, "coarsest_mm": options.coarsest_mm}
    kept = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()] if lines.is_file() else []
    results = [r for r in kept if all(r[k] == v for k, v in settings.items()) and r["world"] in options.world]
    done = {(r["world"], r["case"], r["first"]) for r in results}
    wanted = [(p, f) for world in options.world for p in plans(world, options) for f in (True, False)]
    with ProcessPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(run, p, f, options) for p, f in wanted if (p.world, p.name, f) not in done]
        for future in waiting:
            results.append(future.result())
            with lines.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(results[-1]) + "\n")
            print(f"{results[-1]['world']} {results[-1]['case'][:40]}", file=sys.stderr, flush=True)
    table = {
        f"{world}, {'first answer' if first else 'strokes alone'}": {**settings, **summarise(members)}
        for world in options.world
        for first in (True, False)
        if (members := [r for r in results if r["world"] == world and r["first"] == first])
    }
    print(json.dumps(table, indent=1))
    if options.table is not None:
        keep(table, options.table)


if __name__ == "__main__":
    main()
