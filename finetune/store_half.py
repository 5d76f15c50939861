"""Store a checkpoint's weights in half precision, which halves the file; they are computed with in float32 as before.

python finetune/store_half.py --checkpoint checkpoints/default
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sam_pet.errors import InputError, reported
from sam_pet.models.card import CARD, model_card
from sam_pet.models.half import write_half
from sam_pet.models.loading import load_model
from sam_pet.models.record import ADAPTER_CONFIG, WEIGHTS, require_record, write_record


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    options = parser.parse_args()
    with reported("store_half"):
        store(options.checkpoint)


def store(checkpoint: Path) -> None:
    record = require_record(checkpoint)
    if (checkpoint / ADAPTER_CONFIG).is_file():
        raise InputError(f"{checkpoint} is an adapter; add it into its base first: sam-pet models merge")
    write_half(load_model(checkpoint).model, checkpoint / WEIGHTS)
    record = write_record(record, checkpoint, WEIGHTS)
    (checkpoint / CARD).write_text(model_card(record), encoding="utf-8")


if __name__ == "__main__":
    main()
