"""Two processes whose collectives give up after a few seconds; started by torchrun in `test_distributed.py`."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from pathlib import Path

import torch.distributed

from sam_pet.models.checkpoint import LoadedModel
from sam_pet.train import crops
from sam_pet.train.tracker import finetune
from tests.train.cases import recipe

TIMEOUT_S, SLOW_S = 15, 20


def main(cases: Path, out: Path) -> None:
    torch.distributed.init_process_group("gloo", timeout=timedelta(seconds=TIMEOUT_S))
    rank = torch.distributed.get_rank()
    make = crops.CropFolder._make

    def slowly(*arguments: object) -> None:
        time.sleep(SLOW_S if rank == 0 else 0)
        make(*arguments)  # type: ignore[arg-type]

    crops.CropFolder._make = slowly  # type: ignore[method-assign,assignment]

    def validate(_: LoadedModel) -> dict[str, float]:
        time.sleep(SLOW_S)
        return {"validated": 1.0}

    validation = {"data": [{"folder": cases}], "every": 2}
    finetune(recipe(cases, out, validation=validation), validate, device="cpu")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
