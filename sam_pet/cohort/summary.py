"""What a cohort came to: a table of lesions, a table of studies and a page, made in one pass over the manifests."""

from __future__ import annotations

import csv
import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sam_pet.cohort.folder import MASK, PAGE, REPORT, RESULTS, TABLE, CohortFolder, Manifest
from sam_pet.cohort.study import CohortStudy
from sam_pet.files import replacing
from sam_pet.measures import COLUMNS

NOT_DONE = "not done yet"
_RESULT_COLUMNS = (
    *("study", "state", "lesions", "volume_ml", "tlg", "suv_max", "model", "version"),
    *("read_s", "work_s", "write_s", "mask", "error"),
)
# A page shows so many studies, those with the largest volume, and so many that failed.
_SHOWN = 500


@dataclass
class Counts:
    """How many studies are done, `resumed` of them by an earlier run, and how many failed."""

    done: int = 0
    resumed: int = 0
    failed: int = 0

    def add(self, manifest: Manifest) -> None:
        failed = "error" in manifest
        self.failed += failed
        self.done += not failed
        self.resumed += "resumed" in manifest


@dataclass
class Totals:
    """What a page says of a cohort; as large for a million studies as for a thousand."""

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


@dataclass(frozen=True)
class Summary:
    """The tables and the page of a cohort's folder."""

    folder: CohortFolder

    def write(self, studies: Iterable[tuple[CohortStudy, str | None]]) -> Totals:
        """Go through the manifests of the studies, in their order; with each comes why it can have none."""
        totals = Totals()
        root = self.folder.root
        with (
            _table(root / TABLE, ("study", *COLUMNS)) as lesions,
            _table(root / RESULTS, _RESULT_COLUMNS) as results,
        ):
            for study, fault in studies:
                manifest = self._manifest(study.name, fault)
                row = self._row(manifest)
                results.writerow(row)
                for lesion in manifest.get("measurements", ()):
                    lesions.writerow({"study": study.name, **{name: lesion.get(name) for name in COLUMNS}})
                totals.add(row, manifest)
        from sam_pet.cohort.overview import page

        with replacing(root / PAGE) as temporary:
            temporary.write_text(page(totals), encoding="utf-8")
        return totals

    def _manifest(self, name: str, fault: str | None) -> Manifest:
        if fault is not None:
            return {"name": name, "error": fault}
        return self.folder.manifest(name) or {"name": name, "error": NOT_DONE}

    def _row(self, manifest: Manifest) -> dict[str, Any]:
        name = manifest["name"]
        if "error" in manifest:
            return {"study": name, "state": "failed", "error": manifest["error"]}
        measured = manifest.get("measurements", [])
        place = self.folder.of(name).relative_to(self.folder.root)
        return {
            **{column: manifest.get(column) for column in _RESULT_COLUMNS},
            "study": name,
            "state": "done",
            "tlg": round(sum(lesion.get("tlg") or 0.0 for lesion in measured), 4),
            "suv_max": max((lesion.get("suv_max") or 0.0 for lesion in measured), default=None),
            "mask": (place / MASK).as_posix(),
        }


def report_of(row: dict[str, Any]) -> str | None:
    """Where the page of a row's study lies, from the cohort's folder."""
    return Path(row["mask"]).with_name(REPORT).as_posix() if row.get("report") else None


@contextmanager
def _table(path: Path, columns: Iterable[str]) -> Iterator[csv.DictWriter[str]]:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(columns), lineterminator="\n")
        writer.writeheader()
        yield writer
