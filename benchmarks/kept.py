"""What a benchmark found, as a small file to keep: README and docs take their figures from it."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sam_pet.files import write_json


def keep(found: dict[str, Any], out: Path) -> None:
    """Write what was found, and when, where and by which script; what an earlier run has found beside it stays."""
    before = json.loads(out.read_text(encoding="utf-8")) if out.is_file() else {"found": {}, "days": {}}
    today = datetime.now(UTC).date().isoformat()
    about = {
        "made_by": f"benchmarks/{Path(sys.argv[0]).name}",
        "cpus": os.cpu_count(),
        "torch": version("torch"),
    }
    days = {**before["days"], **dict.fromkeys(found, today)}
    write_json({**about, "days": days, "found": {**before["found"], **found}}, out)
