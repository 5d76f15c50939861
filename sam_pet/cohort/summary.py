"""What a cohort came to: a table of lesions, a table of studies and a page, made in one pass over the manifests."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_pet.cohort.folder import MASK, PAGE, RESULTS, TABLE, CohortFolder, Manifest
from sam_pet.cohort.study import CohortStudy
from sam_pet.cohort.totals import Totals
from sam_pet.csv_cells import defused
from sam_pet.files import replacing
from sam_pet.measures import COLUMNS

NOT_DONE = "not done yet"
_RESULT_COLUMNS = (
    *("study", "state", "lesions", "volume_ml", "tlg", "suv_max", "model", "version"),
    *("read_s", "work_s", "write_s", "key", "mask_sha256", "mask", "error"),
)


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
                results.writerow({column: defused(value) for column, value in row.items()})
                for lesion in manifest.get("measurements", ()):
                    lesions.writerow({"study": defused(study.name), **{name: lesion.get(name) for name in COLUMNS}})
                totals.add(row, manifest)
        # Pictures take a second to import.
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


@contextmanager
def _table(path: Path, columns: Iterable[str]) -> Iterator[csv.DictWriter[str]]:
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(columns), lineterminator="\n")
        writer.writeheader()
        yield writer
