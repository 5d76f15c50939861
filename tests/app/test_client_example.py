"""The client of the docs, as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.app.serving import Served

PAGE = Path(__file__).parents[2] / "docs" / "app-api.md"


def test_the_client_of_the_docs_runs(served: Served, tmp_path: Path) -> None:
    (program,) = re.findall(r"```text\n(import sys\n.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert len([line for line in program.splitlines() if line]) <= 20
    address = f"{served.url}/?token={served.token()}"
    done = subprocess.run(
        [sys.executable, "-c", program, address], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("lesions.nii.gz {'lesions': 1,")
    assert (tmp_path / "lesions.nii.gz").stat().st_size > 0
