"""Small inputs from public reports, each with what is right: the checks beside the project, run on this one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
REPORTS = ROOT.parent / "shared" / "cases" / "reports"


@pytest.mark.skipif(not REPORTS.is_dir(), reason="the reports lie beside the project and not in it")
def test_every_reported_input_has_the_right_answer() -> None:
    command = [REPORTS / "check.py", REPORTS / "cases", "--cli", Path(sys.executable).parent / "sam-pet"]
    command += ["--process", ROOT / "infer" / "process.py"]
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
