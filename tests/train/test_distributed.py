from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from sam_pet.models import load_model
from tests.train.cases import write_cases

ROOT = Path(__file__).parents[2]


def test_no_process_waits_in_a_collective_while_another_validates_or_cuts_crops(tmp_path: Path) -> None:
    cases = write_cases(tmp_path / "cases", 2)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*launch, "-m", "tests.train.distributed", str(cases), str(tmp_path / "out")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "validated" in line] == [2, 4]
    assert load_model(tmp_path / "out" / "checkpoint").record.trained
