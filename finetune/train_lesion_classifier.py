"""Train the lesion classifier of a checkpoint on phantoms and store it there, see docs/first-answer.md.

    python finetune/train_lesion_classifier.py --checkpoint checkpoints/default --work lessons

An appearance network in the checkpoint stands beside it: train that first, on the same --train. Phantoms and what they
teach stay in --work.
"""

from __future__ import annotations

import argparse
import json
import logging
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch
import xgboost

from sam_pet.detection.appearance import Appearance
from sam_pet.detection.classifier import Judge
from sam_pet.errors import reported
from sam_pet.models.parts import APPEARANCE, JUDGE
from sam_pet.models.record import WEIGHTS, require_record, write_record
from sam_pet.segmenter import Segmenter
from sam_pet.train.candidate_examples import Sample
from sam_pet.train.classifier import fit, glancer
from sam_pet.train.phantom_examples import BORROWED, TRAIN, Lessons, seeds

logger = logging.getLogger("train_lesion_classifier")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/default"))
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps samples and scenes")
    parser.add_argument("--train", type=seeds, default=seeds(TRAIN), help="FIRST:COUNT,... seeds to train on")
    parser.add_argument("--validation", type=seeds, default=seeds("26000:600,28500:200"), help="further seeds")
    parser.add_argument("--borrowed", type=seeds, default=seeds(BORROWED), help="those on another phantom's organs")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--with-model", action="store_true", help="hear what the model says too (much slower)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with reported("train_lesion_classifier"):
        train(options)


def train(options: argparse.Namespace) -> None:
    record = require_record(options.checkpoint)
    path = options.checkpoint / APPEARANCE
    appearance = Appearance.read(path) if path.is_file() else None
    lessons = Lessons(options.work, frozenset(options.borrowed))
    everything = [*options.train, *options.validation]
    with ProcessPoolExecutor(options.jobs) as pool:
        taught = dict(zip(everything, pool.map(lessons.samples, everything), strict=True))
        logger.info("%d phantoms", len(taught))
        glance = bytes(glancer([one for seed in options.train for one in taught[seed]]).save_raw("ubj"))
        if options.with_model:
            ask = partial(asked, lessons, str(options.checkpoint), glance)
            taught = dict(zip(everything, pool.map(ask, everything), strict=True))
    validation = [one for seed in options.validation for one in taught[seed]]
    if appearance is not None:
        validation = lessons.looked(options.validation, validation, appearance, booster_of(glance))
    judge = fit(
        [one for seed in options.train for one in taught[seed]],
        validation,
        appearance=appearance,
        glance=booster_of(glance),
        phantoms=f"{min(options.train)}..{max(options.train)}",
        weights=record.sha256 if options.with_model else None,
    )
    judge.write(options.checkpoint / JUDGE)
    Judge.read(options.checkpoint / JUDGE, appearance)
    write_record(record, options.checkpoint, WEIGHTS)
    points = {tracer: point.model_dump() for tracer, point in judge.content.points.items()}
    print(json.dumps({"points": points, **judge.content.training}, indent=1))


def asked(lessons: Lessons, checkpoint: str, glance: bytes, seed: int) -> list[Sample]:
    torch.set_num_threads(1)
    return lessons.asked(seed, Segmenter.from_pretrained(checkpoint), booster_of(glance))


def booster_of(raw: bytes) -> xgboost.Booster:
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(raw))
    return booster


if __name__ == "__main__":
    main()
