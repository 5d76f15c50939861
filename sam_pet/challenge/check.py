"""`python -m sam_pet.challenge.check`: whether the container has weights to run with, asked when it is built."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from sam_pet.challenge.contract import Places
from sam_pet.challenge.weights import find_weights
from sam_pet.errors import InputError


def main() -> int:
    """Print what the container would run with; 1 and a line that says why if it has no trained weights."""
    logging.basicConfig(stream=sys.stderr)
    weights = find_weights(Places(Path(os.environ.get("SAM_PET_ROOT") or "/")).model)[0]
    try:
        loaded = weights.load()
    except InputError as error:
        print(f"the container has no weights to run with: {error}", file=sys.stderr)
        return 1
    print(f"weights: {loaded.record.name} from {weights.source}, SHA-256 {loaded.sha256}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
