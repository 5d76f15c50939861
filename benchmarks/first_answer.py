"""The challenge's loop from step 0 on simulated whole-body studies, as the table of docs/first-answer.md has it.

    python benchmarks/first_answer.py --out results.jsonl --first 30000 --n 30
    python benchmarks/first_answer.py --out anatomy.jsonl --anatomy DATA/autopet/anatomy

Each study is made from its seed (half FDG, half PSMA; 9 of 30 without lesions; on the challenge's grids, or on
--grid) or from a real organ map with lesions grown at that patient's strokes, then corrected five times by
scribble-mixed. Every case is one line of --out: started again, the run goes on. --stage leaves out what comes after
it: the classifier, the gate, the rules for strokes; --drawn-on METHOD draws the strokes on another method's masks, and
they are given to us as they are.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sam_pet.benchmark.protocol import Protocol, run_case
from sam_pet.benchmark.watched import Watched
from sam_pet.cases import find_cases
from sam_pet.detection.classifier import LesionClassifier, OperatingPoint
from sam_pet.detection.features import NAMES
from sam_pet.files import read_image
from sam_pet.geometry import Grid
from sam_pet.methods import make_method
from sam_pet.methods.method import MethodSession
from sam_pet.methods.ours import SamPet
from sam_pet.phantom import make_phantom, write_folder
from sam_pet.phantom.frame import parse_grid
from sam_pet.prompt_files import read_prompts
from sam_pet.prompts import Voxels
from sam_pet.proposers.lesion import Lesion
from sam_pet.readers import CHALLENGE_SEED, Stroke, make_reader
from sam_pet.segmenter import Segmenter
from sam_pet.session.correct import Corrections
from sam_pet.session.engine import LesionSegmenter
from sam_pet.settings import DEFAULTS
from sam_pet.study import Study
from sam_pet.uptake.regions import STANDARD

# In order, each adds to the one before.
STAGES = ("proposals", "object-score", "classifier", "gate", "stroke-rules")
READER = "scribble-mixed"
WORSE = 0.01


class Uptake:
    """In place of a classifier: every peak above 1.5 times the liver is a lesion."""

    uses_model = False
    appearance = None

    def operating_point(self, _: str) -> OperatingPoint:
        return OperatingPoint(prefilter=0.5, candidate=0.5, study=0.5)

    def prefilter(self, features: np.ndarray) -> np.ndarray:
        least = np.log(DEFAULTS.first_answer.fallback_to_liver)
        return (features[:, NAMES.index("suv_to_liver")] >= least).astype(float)

    def lesion_probability(self, features: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return self.prefilter(features)

    def rescore_with_context(self, probabilities: np.ndarray, *_: np.ndarray) -> np.ndarray:
        return probabilities

    def extent(self, features: np.ndarray) -> np.ndarray:
        return np.full(len(features), STANDARD)


class PlainCorrections(Corrections):
    """Masks stand as the model shows them after a stroke."""

    def corrected(self, _: Lesion, new: Lesion, background: Voxels) -> Lesion:
        return self.shown(new, background)

    def bounded(self, lesion: Lesion, _: Voxels) -> Lesion:
        return lesion


class PlainSegmenter(Segmenter):
    """Without the rules for strokes."""

    def tracker(self, study: Study) -> LesionSegmenter:
        tracker = super().tracker(study)
        tracker.corrections = PlainCorrections(tracker.proposers)
        return tracker


@dataclass(frozen=True)
class Stage(SamPet):
    """`SamPet` with a part of the first answer."""

    stage: str = STAGES[-1]

    def answer(self, study: Study) -> MethodSession:
        whole = self.segmenter.lesion_classifier
        self.segmenter.__dict__["lesion_classifier"] = part(whole, self.stage)
        try:
            return super().answer(study)
        finally:
            self.segmenter.__dict__["lesion_classifier"] = whole


def part(classifier: LesionClassifier | None, stage: str) -> Any:
    if stage == "proposals":
        return Uptake()
    if stage == "object-score" or classifier is None:
        return None
    if stage in STAGES[STAGES.index("gate") :]:
        return classifier
    points = {t: p.model_copy(update={"study": p.candidate}) for t, p in classifier.content.points.items()}
    return replace(classifier, content=classifier.content.model_copy(update={"points": points}))


@dataclass(frozen=True)
class Drawn:
    """A reader that draws the strokes it has, one a step, whatever it sees."""

    strokes: Sequence[Stroke]
    name: str

    def first(self, truth: np.ndarray, study: Study | None) -> Stroke | None:
        raise NotImplementedError("strokes of a case that starts from nothing")

    def correct(self, prediction: np.ndarray, truth: np.ndarray, study: Study | None, step: int) -> Stroke | None:
        del prediction, truth, study
        return self.strokes[step - 1] if step <= len(self.strokes) else None


@dataclass(frozen=True)
class Plan:
    """One study to make."""

    name: str
    seed: int
    tracer: str
    lesion_free: bool
    grid: Grid | None = None
    organs: Path | None = None
    strokes: Path | None = None


def simulated(first: int, count: int, grid: Grid | None) -> Iterator[Plan]:
    for i in range(count):
        tracer = ("fdg", "psma")[i % 2]
        free = i % 30 % 4 == 0 or i % 30 == 15
        yield Plan(f"{tracer}_sim{first + i}_0", first + i, tracer, free, grid)


def on_anatomies(folder: Path, first: int) -> Iterator[Plan]:
    for i, case in enumerate(sorted(p for p in folder.iterdir() if (p / "organs.nii.gz").is_file())):
        strokes = case / "lesion-clicks.json"
        grid = Grid.of(read_image(case / "organs.nii.gz", "organ map"))
        drawn = strokes.is_file() and any(p.label == "tumor" for p in read_prompts(strokes, grid))
        tracer = "psma" if case.name.startswith("psma") else "fdg"
        yield Plan(case.name, first + i, tracer, not drawn, None, case / "organs.nii.gz", strokes)


def run(plan: Plan, model: str, stage: str, steps: int, drawn_on: str | None = None) -> dict[str, Any]:
    torch.set_num_threads(1)
    anatomy = None if plan.organs is None else read_image(plan.organs, "organ map")
    seeds = None
    if anatomy is not None and plan.strokes is not None and not plan.lesion_free:
        drawn = [p for p in read_prompts(plan.strokes, Grid.of(anatomy)) if p.label == "tumor"]
        seeds = [(x, y, z) for p in drawn for x, y, z in p.voxels.tolist()]
    tracer = "psma" if plan.tracer == "psma" else "fdg"
    phantom = make_phantom(
        plan.seed, tracer, plan.grid, lesion_free=plan.lesion_free, anatomy=anatomy, seeds=seeds
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        write_folder(phantom, plan.name, Path(folder), instances=False)
        del phantom
        case = find_cases(folder)[0]
        protocol = Protocol(READER, steps, "nothing", CHALLENGE_SEED)
        reader = make_reader(READER, case.name)
        if drawn_on is not None:
            reader = Drawn(run_case(case, make_method(drawn_on), reader, protocol).strokes, f"drawn on {drawn_on}")
        segmenter = (Segmenter if stage == STAGES[-1] else PlainSegmenter).from_pretrained(model)
        method = Watched(Stage("sam-pet", segmenter, stage))
        outcome = run_case(case, method, reader, protocol)
        effects = method.effects(case.mask(outcome.grid))
    rows = [{k: row[k] for k in ("step", "label", "dice", "dmm", "seconds", "peak_mb")} for row in outcome.rows]
    return {
        "case": plan.name,
        "tracer": plan.tracer,
        "stage": stage,
        "drawn_on": drawn_on,
        "lesions": outcome.facts["lesions"],
        "rows": rows,
        "effects": effects,
    }


def summarise(results: list[dict[str, Any]]) -> dict[str, Any]:
    """AUCs and the rest over cases; None where no case counts."""
    dice = [[row["dice"] for row in r["rows"]] for r in results]
    dmm = [[row["dmm"] for row in r["rows"]] for r in results if r["lesions"]]
    free = [d for d, r in zip(dice, results, strict=True) if not r["lesions"]]
    positive = [d for d, r in zip(dice, results, strict=True) if r["lesions"]]
    changes = [
        b - a
        for d, r in zip(dice, results, strict=True)
        for (a, b), row in zip(pairwise(d), r["rows"][1:], strict=True)
        if row["label"] is not None
    ]

    harmed = [
        any(e["label"] == "background" and e["true_removed"] > e["false_removed"] for e in r["effects"])
        for r in results
    ]
    obeyed = [e["obeyed"] for r in results for e in r["effects"]]

    def mean(values: list[float]) -> float | None:
        return round(float(np.mean(values)), 3) if values else None

    return {
        "cases": len(results),
        "auc_dice": mean([float(np.trapezoid(d)) for d in dice]),
        "auc_dmm": mean([float(np.trapezoid(d)) for d in dmm]),
        "lesion_free_auc_dice": mean([float(np.trapezoid(d)) for d in free]),
        "positive_auc_dice": mean([float(np.trapezoid(d)) for d in positive]),
        "step0_dice": mean([d[0] for d in positive]),
        "dice_by_step": [mean(list(step)) for step in zip(*positive, strict=True)],
        "strokes_that_lower_dice": mean([float(c < -WORSE) for c in changes]),
        "cases_harmed_by_a_background_stroke": mean([float(h) for h in harmed]),
        "strokes_obeyed": mean([float(o) for o in obeyed]),
        "seconds_step0": mean([r["rows"][0]["seconds"] for r in results]),
    }


def groups(results: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    def burden(count: int) -> str:
        return "no lesion" if not count else "1-5 lesions" if count <= 5 else "6-20 lesions" if count <= 20 else "> 20"

    found: dict[str, list[dict[str, Any]]] = {"all": results}
    for result in results:
        found.setdefault(result["tracer"], []).append(result)
        found.setdefault(f"{result['tracer']}, {burden(result['lesions'])}", []).append(result)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--first", type=int, default=30000, help="first seed")
    parser.add_argument("--n", type=int, default=30)
    parser.add_argument("--grid", help="in place of the challenge's, as 200x200x326@4.07x4.07x3")
    parser.add_argument("--anatomy", type=Path, help="folder of real organ maps with strokes")
    parser.add_argument("--model", default="default")
    parser.add_argument("--stage", choices=STAGES, default=STAGES[-1])
    parser.add_argument("--drawn-on", metavar="METHOD", help="draw the strokes on this method's masks, as threshold41")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()

    grid = None if options.grid is None else parse_grid(options.grid)
    if options.anatomy is not None:
        plans = list(on_anatomies(options.anatomy, options.first))[: options.n]
    else:
        plans = list(simulated(options.first, options.n, grid))
    results = (
        [json.loads(line) for line in options.out.read_text(encoding="utf-8").splitlines()]
        if options.out.is_file()
        else []
    )
    results = [r for r in results if (r["stage"], r["drawn_on"]) == (options.stage, options.drawn_on)]
    done = {r["case"] for r in results}
    with ProcessPoolExecutor(options.jobs) as pool:
        waiting = [
            pool.submit(run, plan, options.model, options.stage, options.steps, options.drawn_on)
            for plan in plans
            if plan.name not in done
        ]
        for future in waiting:
            result = future.result()
            results.append(result)
            with options.out.open("a", encoding="utf-8") as stream:
                stream.write(json.dumps(result) + "\n")
    summary = {name: summarise(members) for name, members in groups(results).items()}
    split = {name: s["auc_dice"] for name, s in summary.items() if "," in name}
    print(json.dumps({"stage": options.stage, "worst_group": min(split, key=split.get), **summary}, indent=1))


if __name__ == "__main__":
    main()
