"""What a cohort came to in numbers: as large for a million studies as for a thousand."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sam_pet.cohort.folder import REPORT, Manifest

# So many studies are kept, those with the largest volume, and so many that failed.
_SHOWN = 500


@dataclass
class Totals:
    """Sums over the studies, the largest of them, and faults."""

    done: int = 0
    failed: int = 0
    lesions: int = 0
    volume_ml: float = 0.0
    seconds: float = 0.0
    untrained: int = 0
    of_lesions: Counter[int] = field(default_factory=Counter)
    # By the power of two of mL.
    of_volume: Counter[int] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    largest: list[tuple[float, str, dict[str, Any]]] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)

    def add(self, row: dict[str, Any], manifest: Manifest) -> None:
        if row["state"] != "done":
            self.failed += 1
            if len(self.faults) < _SHOWN:
                self.faults.append((row["study"], row["error"]))
            return
        self.done += 1
        self.lesions += row["lesions"]
        self.volume_ml += row["volume_ml"]
        self.seconds += sum(row[name] or 0.0 for name in ("read_s", "work_s", "write_s"))
        self.untrained += not manifest.get("trained")
        self.of_lesions[row["lesions"]] += 1
        if row["volume_ml"] > 0:
            self.of_volume[max(-1, (int(row["volume_ml"])).bit_length() - 1)] += 1
        self.models[f"{row['model']}, run by sam_pet {row['version']}"] += 1
        entry = (row["volume_ml"], row["study"], {**row, "report": manifest.get("report")})
        push = heapq.heappush if len(self.largest) < _SHOWN else heapq.heappushpop
        push(self.largest, entry)


def report_of(row: dict[str, Any]) -> str | None:
    """Where the page of a row's study lies, from the cohort's folder."""
    return Path(row["mask"]).with_name(REPORT).as_posix() if row.get("report") else None
