"""Train what a checkpoint thinks of places that a reader points at, see docs/first-answer.md.

    python finetune/train_opinion.py --checkpoint checkpoints/default --work places

It becomes a part of the lesion classifier: train that first. Phantoms are made from seeds; what is known of
their places stays in --work.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from sam_pet.detection.classifier import Judge
from sam_pet.detection.detect import gather
from sam_pet.errors import InputError, reported
from sam_pet.files import key_of, replacing
from sam_pet.models.parts import JUDGE
from sam_pet.models.record import WEIGHTS, require_record, write_record
from sam_pet.phantom import make_phantom
from sam_pet.phantom.frame import parse_grid
from sam_pet.segmenter import Segmenter
from sam_pet.train.phantom_examples import seeds
from sam_pet.train.prompt_examples import Pointed, fit, pointed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps what is known of places")
    parser.add_argument("--train", type=seeds, default=seeds("23000:80"), help="FIRST:COUNT seeds of phantoms")
    parser.add_argument("--grid", help="of the phantoms, in place of the challenge's, as 200x200x326@4.07x4.07x3")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    options = parser.parse_args()
    with reported("train_opinion"):
        train(options)


def train(options: argparse.Namespace) -> None:
    record = require_record(options.checkpoint)
    judge = Segmenter.from_pretrained(options.checkpoint, "cpu").judge
    if judge is None:
        raise InputError(f"--checkpoint {options.checkpoint} has no lesion classifier; train that first")
    options.work.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(options.jobs) as pool:
        places = list(pool.map(partial(of_phantom, options.work, options.grid, judge), options.train))
    judge.with_opinion(fit(places, options.seed)).write(options.checkpoint / JUDGE)
    write_record(record, options.checkpoint, WEIGHTS)
    on = sum(int(some.lesion.sum()) for some in places)
    print(json.dumps({"on_lesions": on, "beside": sum(len(some.lesion) for some in places) - on}))


def of_phantom(work: Path, grid: str | None, judge: Judge, seed: int) -> Pointed:
    facts = [seed, grid, judge.content.glance, judge.content.appearance]
    path = work / f"{key_of(facts)}.npz"
    if not path.is_file():
        tracer = "psma" if seed // 2 % 2 else "fdg"
        phantom = make_phantom(seed, tracer, None if grid is None else parse_grid(grid), lesion_free=seed % 4 == 3)
        study = phantom.study
        labels = study.order.view(phantom.lesions)
        found = pointed(study, labels, judge, gather(study), np.random.default_rng(seed))
        with replacing(path) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, features=found.features, lesion=found.lesion)
    with np.load(path, allow_pickle=False) as held:
        return Pointed(held["features"], held["lesion"])


if __name__ == "__main__":
    main()
