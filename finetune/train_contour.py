"""Train the contour network of a checkpoint on phantoms and cases and store it there, see docs/architecture.md.

    python finetune/train_contour.py --checkpoint checkpoints/default --work cubes \\
        --train 21000:200 --cases data/sts --names STS_001,STS_002

Phantoms are made from seeds; what is around their lesions, and those of the cases, stays in --work. One window in eight
is of the cases. The chooser weighs the network's outlines: train it afterwards.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean

import numpy as np

from sam_pet.cases import Case, find_cases
from sam_pet.errors import InputError, reported
from sam_pet.files import key_of
from sam_pet.models.half import write_half
from sam_pet.models.loading import load_model
from sam_pet.models.parts import CONTOUR
from sam_pet.models.record import WEIGHTS, require_record, write_record
from sam_pet.phantom import make_phantom
from sam_pet.phantom.frame import parse_grid
from sam_pet.train.phantom_examples import seeds
from sam_pet.train.refiner_examples import lesions_of
from sam_pet.train.volume_examples import Cube, cubes_of, load_cubes, save_cubes
from sam_pet.train.volume_net import Course, train_contour

_EVERY = 50
_OF_CASES = 0.12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps cubes")
    parser.add_argument("--train", type=seeds, default=seeds("21000:200"), help="FIRST:COUNT seeds of phantoms")
    parser.add_argument("--grid", help="of the phantoms, in place of the challenge's, as 200x200x326@4.07x4.07x3")
    parser.add_argument("--cases", type=Path, help="folder of cases")
    parser.add_argument("--names", help="only these of them, separated by commas")
    parser.add_argument("--steps", type=int, default=Course.steps)
    parser.add_argument("--rate", type=float, default=Course.rate, help="the highest learning rate")
    parser.add_argument("--bfloat16", action="store_true", help="half the time on a CPU that knows it")
    parser.add_argument("--go-on", action="store_true", help="from the contour network that the checkpoint has")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    with reported("train_contour"):
        train(options)


def train(options: argparse.Namespace) -> None:
    record = require_record(options.checkpoint)
    start = load_model(options.checkpoint).contour if options.go_on else None
    if options.go_on and start is None:
        raise InputError(f"--go-on: {options.checkpoint} has no contour network; leave it out")
    options.work.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(options.jobs) as pool:
        simulated = pool.map(partial(of_phantom, options.work, options.grid), options.train)
        groups = [([cube for cubes in simulated for cube in cubes], 1.0)]
    if options.cases is not None:
        cases = find_cases(options.cases, options.names.split(",") if options.names else None)
        groups.append(([cube for case in cases for cube in of_case(options.work, case)], _OF_CASES / (1 - _OF_CASES)))
    dice: list[float] = []

    def report(step: int, value: float) -> None:
        dice.append(value)
        if step % _EVERY == 0:
            print(json.dumps({"step": step, "soft_dice": round(fmean(dice[-_EVERY:]), 4)}), flush=True)

    course = Course(steps=options.steps, rate=options.rate, seed=options.seed, bfloat16=options.bfloat16)
    network = train_contour(groups, course, report, None if start is None else start.network)
    write_half(network, options.checkpoint / CONTOUR)
    write_record(record, options.checkpoint, WEIGHTS)


def of_phantom(work: Path, grid: str | None, seed: int) -> list[Cube]:
    def make() -> list[Cube]:
        tracer = "psma" if seed // 2 % 2 else "fdg"
        phantom = make_phantom(seed, tracer, None if grid is None else parse_grid(grid), lesion_free=False)
        return list(cubes_of(phantom.study, phantom.study.order.view(phantom.lesions), np.random.default_rng(seed)))

    return kept(work, ["phantom", seed, grid], make)


def of_case(work: Path, case: Case) -> list[Cube]:
    def make() -> list[Cube]:
        study = case.study()
        return list(cubes_of(study, lesions_of(case, study, 0.0)[0], np.random.default_rng(0)))

    return kept(work, ["case", case.name], make)


def kept(work: Path, facts: list[object], make: Callable[[], list[Cube]]) -> list[Cube]:
    path = work / f"{key_of(facts)}.npz"
    if not path.is_file():
        save_cubes(make(), path)
    return load_cubes(path)


if __name__ == "__main__":
    main()
