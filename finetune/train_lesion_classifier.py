"""Train the lesion classifier of a checkpoint on phantoms and store it there, see docs/first-answer.md.

    python finetune/train_lesion_classifier.py --checkpoint checkpoints/default --work /tmp/lessons

Phantoms and what they teach stay in --work: another run with other weights only asks these weights again.
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

from sam_pet.first_answer.judge import Judge
from sam_pet.first_answer.samples import Sample
from sam_pet.first_answer.teach import Lessons
from sam_pet.first_answer.train import fit, glancer
from sam_pet.models.record import JUDGE, WEIGHTS, read_record, write_record
from sam_pet.segmenter import Segmenter

logger = logging.getLogger("train_lesion_classifier")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/default"))
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps phantoms and samples")
    parser.add_argument("--train", type=seeds, default=seeds("20000:80"), help="FIRST:COUNT seeds to train on")
    parser.add_argument("--validation", type=seeds, default=seeds("21000:14"), help="FIRST:COUNT further seeds")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--without-model", action="store_true", help="leave out what the model says (much quicker)")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    record = read_record(options.checkpoint)
    if record is None:
        parser.error(f"{options.checkpoint} is no checkpoint of this project")
    lessons = Lessons(options.work)
    everything = [*options.train, *options.validation]
    with ProcessPoolExecutor(options.jobs) as pool:
        taught = dict(zip(everything, pool.map(lessons.samples, everything), strict=True))
        logger.info("%d phantoms", len(taught))
        if not options.without_model:
            glance = bytes(glancer([one for seed in options.train for one in taught[seed]]).save_raw("json"))
            ask = partial(asked, lessons, str(options.checkpoint), glance)
            taught = dict(zip(everything, pool.map(ask, everything), strict=True))
    judge = fit(
        [one for seed in options.train for one in taught[seed]],
        [one for seed in options.validation for one in taught[seed]],
        phantoms=f"{options.train.start}..{options.train.stop - 1}",
        weights=None if options.without_model else record.sha256,
    )
    judge.write(options.checkpoint / JUDGE)
    Judge.read(options.checkpoint / JUDGE)
    write_record(record, options.checkpoint, WEIGHTS)
    points = {tracer: point.model_dump() for tracer, point in judge.content.points.items()}
    print(json.dumps({"points": points, "agreement": judge.agreement, **judge.content.training}, indent=1))


def seeds(text: str) -> range:
    first, _, count = text.partition(":")
    return range(int(first), int(first) + int(count or 1))


def asked(lessons: Lessons, checkpoint: str, glance: bytes, seed: int) -> list[Sample]:
    torch.set_num_threads(1)
    booster = xgboost.Booster({"nthread": 1})
    booster.load_model(bytearray(glance))
    return lessons.asked(seed, Segmenter.from_pretrained(checkpoint), booster)


if __name__ == "__main__":
    main()
