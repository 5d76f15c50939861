"""The audit trail of a cohort: a line for each study, and a manifest over all, sealed at the end."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import sam_pet
from sam_pet.audit import LOG, PROGRAM, Actor, AuditLog, begin, environment, seal
from sam_pet.audit.log import Act
from sam_pet.cohort.folder import COHORT, LAYOUT, MANIFEST, MASK, PAGE, REPORT, RESULTS, TABLE, CohortFolder, Manifest
from sam_pet.cohort.study import CohortStudy

# Lines go to the disk together: each flush takes milliseconds, and what is lost with them stands in the manifests.
_EVERY_S = 1.0


class CohortTrail:
    """What a run tells the log. Where the folders are spread it has no lines for studies: the table of results, which
    the manifest seals, has their keys and the SHA-256 of their masks."""

    def __init__(self, folder: CohortFolder, workers: int) -> None:
        self._folder = folder
        self._log = AuditLog(folder.root / LOG)
        self._acts: list[Act] = []
        self._said = time.monotonic()
        begin(self._log, {"run": COHORT, "environment": environment(), "workers": workers})

    def add(self, manifest: Manifest) -> None:
        """Tell of a study."""
        if self._folder.spread:
            return
        self._acts.append(_act(manifest))
        if time.monotonic() - self._said > _EVERY_S:
            self._flush()

    def seal(self, studies: Iterable[tuple[CohortStudy, str | None]]) -> None:
        """Write the manifest of the cohort, with the SHA-256 of its files."""
        self._flush()
        files = [self._folder.root / name for name in (LAYOUT, TABLE, RESULTS, PAGE)]
        content: dict[str, Any] = {"version": sam_pet.__version__, "studies": {}}
        if not self._folder.spread:
            for study, fault in studies:
                manifest = None if fault else self._folder.manifest(study.name)
                content["studies"].setdefault(study.name, (manifest or {}).get("key"))
                if not fault:
                    files += [self._folder.of(study.name) / name for name in (MASK, REPORT, MANIFEST)]
        seal(self._log, content, filter(Path.is_file, files))

    def _flush(self) -> None:
        if any(act.action != "keep" for act in self._acts):
            self._log.append(*self._acts)
        else:
            self._log.wait_with(*self._acts)
        self._acts, self._said = [], time.monotonic()


def _act(manifest: Manifest) -> Act:
    """What the log is told of a study, which goes by its key there: that of its inputs, the model and the version."""
    about = {key: manifest.get(key) for key in ("key", "model", "weights")}
    # The error's text may hold a path, and so anything.
    result = {"failed": True} if "error" in manifest else {key: manifest[key] for key in ("lesions", "volume_ml")}
    action = "keep" if "resumed" in manifest else "segment"
    return Act(Actor(**manifest.get("actor", PROGRAM.record)), action, about, result, manifest.get("mask_sha256"))
