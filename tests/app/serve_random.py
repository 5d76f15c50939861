"""`sam-pet serve` with random weights, for tests that kill it."""

from __future__ import annotations

import sys
from pathlib import Path

from sam_pet.app.run import run
from sam_pet.app.settings import AppSettings
from sam_pet.segmenter import Segmenter
from tests.fakes import random_segmenter

if __name__ == "__main__":
    Segmenter.from_pretrained = lambda *_: random_segmenter(largest_mm=64.0)  # type: ignore[method-assign]
    run(AppSettings(Path(sys.argv[2]), (Path(sys.argv[1]),)), "127.0.0.1", 0, browser=False)
