"""What the default threads cost beside other work, against threads set by hand.

    python benchmarks/threads.py [--busy 1] [--repeats 3] [--cases DATA/sts --name STS_022]
                                 [--out benchmarks/results/threads.json]

Keeps --busy cores busy, and in fresh processes times a click, a first answer and a training step of the embedded
model on a case, by default a small simulated study, and a part of the tests: with the package's own settings, with
one thread, and with all threads, sleeping or spinning while they wait. Prints medians over --repeats rounds in
seconds, and the default's ratio to the best by hand: the median of the ratios of each round, since a machine's speed
drifts. Each round begins with another of them, since the first finds its files unread.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from kept import keep

ROOT = Path(__file__).parents[1]

SETTINGS: dict[str, dict[str, str]] = {
    "default": {},
    "one thread": {"OMP_NUM_THREADS": "1"},
    "all, sleeping": {"OMP_NUM_THREADS": "{cores}", "OMP_WAIT_POLICY": "PASSIVE"},
    "all, spinning": {"OMP_NUM_THREADS": "{cores}", "OMP_WAIT_POLICY": "ACTIVE"},
}
TASKS = ("click", "first answer", "training step")
TESTS = "tests"
MEASURED = (*TASKS, TESTS)
# Tests that track and train.
TESTED = ("tests/sam2/test_tracker.py", "tests/train/test_lora.py")


def spin() -> None:
    while True:
        pass


@contextmanager
def busy(count: int) -> Iterator[None]:
    context = get_context("spawn")
    processes = [context.Process(target=spin, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def seconds(repeats: int, cases: Path | None, name: str | None) -> dict[str, float]:
    """Medians of each task in this process."""
    import numpy as np
    import torch

    from sam_pet import threads
    from sam_pet.cases import find_cases
    from sam_pet.models.checkpoint import untrained
    from sam_pet.phantom import make_phantom
    from sam_pet.phantom.frame import parse_grid
    from sam_pet.segmenter import Segmenter

    if cases is None:
        phantom = make_phantom(11, "fdg", parse_grid("168x168x250@4.07x4.07x4"), lesion_free=False)
        study, lesions = phantom.study, np.argwhere(phantom.lesions > 0)
    else:
        case = find_cases(cases, None if name is None else [name])[0]
        study = case.study()
        lesions = np.argwhere(case.mask(study.grid) > 0)
    segmenter = Segmenter.from_pretrained("default", "cpu")
    z, y, x = lesions[0].tolist()

    def click() -> None:
        segmenter.open(study).add_click((x, y, z))

    def answer() -> None:
        segmenter.open(study).first_answer()

    model = untrained("nano").train()
    frames = torch.zeros(16, 3, segmenter.core.size, segmenter.core.size)

    def step() -> None:
        threads.leave_room(workers=1)
        model.vision_encoder(frames).last_hidden_state.sum().backward()

    found = {}
    for name, task in zip(TASKS, (click, answer, step), strict=True):
        task()
        found[name] = median(clocked(task) for _ in range(repeats))
    return found


def clocked(task: Callable[[], object]) -> float:
    started = time.perf_counter()
    task()
    return time.perf_counter() - started


def in_process(variables: dict[str, str], options: Sequence[str]) -> dict[str, float]:
    cores = str(os.cpu_count() or 1)
    silent = {k: v for k, v in os.environ.items() if not any(word in k for word in ("THREADS", "OMP_", "KMP_"))}
    environment = {**silent, **{name: value.format(cores=cores) for name, value in variables.items()}}
    command = [sys.executable, __file__, "--inside", *options]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *TESTED]
    run = partial(subprocess.run, tests, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True)
    return {**found, TESTS: clocked(run)}


def to_best(rounds: dict[str, list[dict[str, float]]], task: str) -> float:
    """The default's time over that of the best by hand, in the median of the rounds."""
    default = rounds["default"]
    ratios = (
        median(one[task] / other[task] for one, other in zip(default, rows, strict=True))
        for name, rows in rounds.items()
        if name != "default"
    )
    return round(max(ratios), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, default=1, help="cores kept busy by something else")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--cases", type=Path, help="a folder of cases, in place of a simulated study")
    parser.add_argument("--name", help="the case in it; by default the first")
    parser.add_argument("--out", type=Path, help="a JSON file to keep")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        print(json.dumps(seconds(options.repeats, options.cases, options.name)))
        return
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in SETTINGS}
    with busy(options.busy):
        order = deque(SETTINGS)
        for _ in range(options.repeats):
            for name in order:
                rounds[name].append(in_process(SETTINGS[name], sys.argv[1:]))
            order.rotate(-1)
    table = {name: {task: median(row[task] for row in rows) for task in MEASURED} for name, rows in rounds.items()}
    for name, row in table.items():
        print(f"{name:15}", *(f"{task} {row[task]:7.3f} s" for task in MEASURED), sep="  ")
    ratios = {task: to_best(rounds, task) for task in MEASURED}
    for task, ratio in ratios.items():
        print(f"{task}: default takes {ratio:.2f} of the best set by hand")
    if options.out is not None:
        about = {"busy": options.busy, "repeats": options.repeats, "case": options.name or "simulated"}
        seconds_ = {name: {task: round(value, 3) for task, value in row.items()} for name, row in table.items()}
        keep({**about, "seconds": seconds_, "default_to_best": ratios}, options.out)


if __name__ == "__main__":
    main()
