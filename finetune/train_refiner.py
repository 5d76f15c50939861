"""Train the refiner of a checkpoint and store it there, see finetune/README.md.

    python finetune/train_refiner.py --checkpoint checkpoints/default --work lessons \\
        --cases data/sts --names STS_001,STS_002 --cases data/phantoms

The checkpoint's tracker is shown the lesions of all cases, clicked and corrected by a simulated reader; what it makes
of them stays in --work. All folders of cases are drawn from equally often.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sam_pet.cases import find_cases
from sam_pet.errors import InputError, reported
from sam_pet.models.half import write_half
from sam_pet.models.loading import load_model
from sam_pet.models.parts import REFINER
from sam_pet.models.record import WEIGHTS, require_record, write_record
from sam_pet.proposers.refiner_settings import RefinerSettings
from sam_pet.proposers.unet import UNet
from sam_pet.segmenter import Segmenter
from sam_pet.train.refiner import Course, train_refiner
from sam_pet.train.refiner_examples import LessonFolder

_EVERY = 20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps lessons")
    parser.add_argument("--cases", type=Path, action="append", required=True, help="folder of cases; may be repeated")
    parser.add_argument("--names", help="only these cases of the first folder, separated by commas")
    parser.add_argument("--clicks", type=int, default=4, help="how often each lesion is clicked")
    parser.add_argument("--steps", type=int, default=Course.steps)
    parser.add_argument("--lr", type=float, default=Course.lr)
    parser.add_argument("--go-on", action="store_true", help="start from the refiner that the checkpoint has")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with reported("train_refiner"):
        refine(options)


def refine(options: argparse.Namespace) -> None:
    record = require_record(options.checkpoint)
    segmenter = Segmenter(load_model(options.checkpoint), "cpu")
    start = segmenter.refiner if options.go_on else None
    if options.go_on and start is None:
        raise InputError(f"--go-on: {options.checkpoint} has no refiner yet; leave it out")
    settings = RefinerSettings() if start is None else start.settings
    course = Course(steps=options.steps, lr=options.lr, seed=options.seed)
    lessons = LessonFolder(options.work, settings, clicks=options.clicks)
    groups = []
    for number, folder in enumerate(options.cases):
        names = options.names.split(",") if options.names and number == 0 else None
        files = lessons.prepare(find_cases(folder, names), segmenter, options.seed)
        if not files:
            raise InputError(f"--cases {folder}: no case has a lesion to learn from; check its labels")
        groups.append((files, 1.0))
    losses: list[float] = []

    def report(step: int, loss: float, _: UNet) -> None:
        losses.append(loss)
        if step % _EVERY == 0:
            mean = sum(losses[-_EVERY:]) / _EVERY
            print(json.dumps({"step": step, "loss": round(mean, 4)}), flush=True)

    network = train_refiner(groups, settings, course, report, start)
    write_half(network, options.checkpoint / REFINER)
    write_record(record.model_copy(update={"refiner": settings}), options.checkpoint, WEIGHTS)


if __name__ == "__main__":
    main()
