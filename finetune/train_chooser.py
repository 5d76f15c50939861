"""Train what chooses a new lesion's outline and store it with a checkpoint, see docs/architecture.md.

    python finetune/train_chooser.py --checkpoint checkpoints/default --work outlines \\
        --cases data/sts --names STS_001,STS_002 --cases data/phantoms

The lesions of all cases are prompted; how well the model's mask and levels of uptake fit stays in --work. All folders
of cases count alike. Without cases with CT and cases without, or of another model, train it anew.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from sam_pet.cases import find_cases
from sam_pet.errors import InputError, reported
from sam_pet.models.loading import load_model
from sam_pet.models.parts import CHOOSER
from sam_pet.models.record import WEIGHTS, require_record, write_record
from sam_pet.segmenter import Segmenter
from sam_pet.train.ranker import fit
from sam_pet.train.ranker_examples import Lessons


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True, help="folder that keeps lessons")
    parser.add_argument("--cases", type=Path, action="append", required=True, help="folder of cases; may be repeated")
    parser.add_argument("--names", help="only these cases of the first folder, separated by commas")
    parser.add_argument("--prompts", type=int, default=Lessons.prompts, help="how often each lesion is prompted")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with reported("train_chooser"):
        train(options)


def train(options: argparse.Namespace) -> None:
    record = require_record(options.checkpoint)
    segmenter = Segmenter(load_model(options.checkpoint), "cpu")
    lessons = Lessons(options.work, prompts=options.prompts)
    groups = []
    for number, folder in enumerate(options.cases):
        names = options.names.split(",") if options.names and number == 0 else None
        found = lessons.prepare(find_cases(folder, names), segmenter, options.seed)
        if not found:
            raise InputError(f"--cases {folder}: no case has a lesion to learn from; check its labels")
        groups.append(found)
    chooser = fit(groups, options.seed)
    chooser.write(options.checkpoint / CHOOSER)
    write_record(record, options.checkpoint, WEIGHTS)
    print(json.dumps(chooser.content.training, indent=1))


if __name__ == "__main__":
    main()
