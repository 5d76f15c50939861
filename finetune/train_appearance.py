"""Train the appearance network of a checkpoint on phantoms and store it there, see docs/first-answer.md.

    python finetune/train_appearance.py --checkpoint checkpoints/default --work lessons

Phantoms and what they teach stay in --work. The lesion classifier stands beside the network: train it afterwards.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean

from sam_pet.appearance.train import Course, Lesson, train_appearance
from sam_pet.errors import reported
from sam_pet.first_answer.teach import BORROWED, TRAIN, Lessons, seeds
from sam_pet.first_answer.train import glances
from sam_pet.models.half import write_half
from sam_pet.models.record import APPEARANCE, WEIGHTS, require_record, write_record

_EVERY = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/default"))
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps samples and scenes")
    parser.add_argument("--train", type=seeds, default=seeds(TRAIN), help="FIRST:COUNT,... seeds to train on")
    parser.add_argument("--borrowed", type=seeds, default=seeds(BORROWED), help="those on another phantom's organs")
    parser.add_argument("--steps", type=int, default=Course.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    with reported("train_appearance"):
        train(options)


def train(options: argparse.Namespace) -> None:
    record = require_record(options.checkpoint)
    folder = Lessons(options.work, frozenset(options.borrowed))
    with ProcessPoolExecutor(options.jobs) as pool:
        samples = [one for found in pool.map(folder.samples, options.train) for one in found]
    scenes = [scene for seed in options.train for scene in folder.scenes(seed)]
    lessons = [
        Lesson(scene, one.places, one.features, one.positive, seen)
        for scene, one, seen in zip(scenes, samples, glances(samples), strict=True)
    ]
    losses: list[float] = []

    def report(step: int, loss: float) -> None:
        losses.append(loss)
        if step % _EVERY == 0:
            print(f"step {step}: loss {fmean(losses[-_EVERY:]):.4f}", flush=True)

    network = train_appearance(lessons, Course(steps=options.steps, seed=options.seed), report)
    write_half(network, options.checkpoint / APPEARANCE)
    write_record(record, options.checkpoint, WEIGHTS)


if __name__ == "__main__":
    main()
