"""Train the appearance network of a checkpoint on phantoms and store it there, see docs/first-answer.md.

    python finetune/train_appearance.py --checkpoint checkpoints/default --work lessons

Phantoms and what they teach stay in --work. The lesion classifier stands beside the network: train it afterwards.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from sam_pet.detection.appearance import Appearance
from sam_pet.detection.coarse_batch import Stack
from sam_pet.errors import InputError, reported
from sam_pet.models.half import write_half
from sam_pet.models.parts import APPEARANCE
from sam_pet.models.record import WEIGHTS, require_record, write_record
from sam_pet.segmenter import find_device
from sam_pet.train.appearance import Course, Lesson, train_appearance
from sam_pet.train.classifier import glances
from sam_pet.train.phantom_examples import BORROWED, TRAIN, Lessons, seeds

_EVERY = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/default"))
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps samples and scenes")
    parser.add_argument("--train", type=seeds, default=seeds(TRAIN), help="FIRST:COUNT,... seeds to train on")
    parser.add_argument("--borrowed", type=seeds, default=seeds(BORROWED), help="those on another phantom's organs")
    parser.add_argument("--steps", type=int, default=Course.steps)
    parser.add_argument("--batch", type=int, default=Course.batch)
    parser.add_argument("--rate", type=float, default=Course.rate, help="the highest learning rate")
    parser.add_argument("--device", default="auto", help="that trains: auto, cpu, cuda, mps")
    parser.add_argument("--go-on", action="store_true", help="from the appearance network that the checkpoint has")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    with reported("train_appearance"):
        train(options)


def train(options: argparse.Namespace) -> None:
    record = require_record(options.checkpoint)
    stored = options.checkpoint / APPEARANCE
    if options.go_on and not stored.is_file():
        raise InputError(f"--go-on: {options.checkpoint} has no appearance network; leave it out")
    start = Appearance.read(stored).network if options.go_on else None
    device = find_device(options.device)
    folder = Lessons(options.work, frozenset(options.borrowed))
    with ProcessPoolExecutor(options.jobs) as pool:
        samples = [one for found in pool.map(folder.samples, options.train) for one in found]
    stack = Stack.of((scene for seed in options.train for scene in folder.scenes(seed)), device)
    lessons = [
        Lesson(one.places, one.features, one.positive, seen)
        for one, seen in zip(samples, glances(samples), strict=True)
    ]
    losses: list[Tensor] = []

    def report(step: int, loss: Tensor) -> None:
        losses.append(loss)
        if step % _EVERY == 0:
            print(f"step {step}: loss {torch.stack(losses[-_EVERY:]).mean():.4f}", flush=True)

    course = Course(steps=options.steps, batch=options.batch, rate=options.rate, seed=options.seed)
    network = train_appearance(stack, lessons, course, report, start)
    write_half(network, options.checkpoint / APPEARANCE)
    write_record(record, options.checkpoint, WEIGHTS)


if __name__ == "__main__":
    main()
