"""The folder of a cohort: where each study's mask and manifest lie, and what is done."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_pet.audit import LOG
from sam_pet.audit.seal import require_own
from sam_pet.cohort.studies import name_hash
from sam_pet.cohort.study import CohortStudy
from sam_pet.errors import InputError, one_line
from sam_pet.files import file_sha256, write_json
from sam_pet.names import names_a_folder

Manifest = dict[str, Any]
# What the log calls it.
COHORT = "cohort"
MANIFEST, MASK, REPORT = "manifest.json", "mask.nii.gz", "report.html"
LAYOUT, TABLE, RESULTS, PAGE = "layout.json", "measurements.csv", "results.csv", "index.html"
# What a study's folder may hold, and the files that lie beside the folders.
OF_STUDY, OF_COHORT = (MASK, REPORT, MANIFEST), (LAYOUT, TABLE, RESULTS, PAGE, LOG, MANIFEST)
# Above, folders are spread over this many others: file systems slow down with the entries of a folder.
_MANY, _GROUPS = 10_000, 4096


@dataclass(frozen=True)
class CohortFolder:
    """Where the masks and manifests of studies lie.

    Attributes:
        root: of the cohort.
        spread: whether the folders of the studies lie in 4096 others, by a hash of their names.
    """

    root: Path
    spread: bool = False

    @classmethod
    def open(cls, root: Path, studies: int) -> CohortFolder:
        """The folder as it was begun, or begun for so many studies.

        Raises:
            InputError: it was begun by another version, or its `layout.json` is damaged.
        """
        path = root / LAYOUT
        if not path.exists():
            require_own(root, COHORT)
            write_json({"format": 1, "spread": studies > _MANY}, path)
        try:
            layout = json.loads(path.read_text(encoding="utf-8"))
            if layout["format"] != 1:
                raise ValueError(f"its format is {layout['format']}")
            return cls(root, bool(layout["spread"]))
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"batch: {path} cannot be used ({one_line(error)[:100]}); give another --out") from error

    def of(self, name: str) -> Path:
        """The folder of a study."""
        return self.root / f"{name_hash(name) % _GROUPS:03x}" / name if self.spread else self.root / name

    def manifest(self, name: str) -> Manifest | None:
        """What is known of a study; None where nothing is, or its manifest is damaged."""
        try:
            manifest = json.loads((self.of(name) / MANIFEST).read_text(encoding="utf-8"))
            return manifest if isinstance(manifest, dict) and manifest["name"] == name else None
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None

    def done(self, name: str, report: bool, **facts: str) -> Manifest | None:
        """The manifest of a study that is done and has these facts; None where it is to be done.

        Args:
            name: of the study.
            report: whether it is to have its page, too.
            facts: `key` or `state`.
        """
        manifest = self.manifest(name)
        if manifest is None or "error" in manifest or any(manifest.get(k) != v for k, v in facts.items()):
            return None
        try:
            if file_sha256(self.of(name) / MASK) != manifest["sha256"]:
                return None
        except (OSError, KeyError):
            return None
        if report and not (self.of(name) / REPORT).is_file():
            return None
        return {**manifest, "resumed": True}

    def keep(self, manifest: Manifest) -> None:
        """Write a study's manifest. It comes last: what has one is whole."""
        write_json(
            {key: value for key, value in manifest.items() if key != "resumed"},
            self.of(manifest["name"]) / MANIFEST,
        )

    def keep_error(self, name: str, error: str) -> Manifest:
        """Record why a study has no mask."""
        manifest: Manifest = {"name": name, "error": error}
        folder = self.of(name)
        # A mask of an earlier run's inputs must not be taken for that of these; what no run wrote is left alone.
        if (folder / MANIFEST).is_file():
            for other in (MASK, REPORT):
                (folder / other).unlink(missing_ok=True)
        self.keep(manifest)
        return manifest

    def fault(self, study: CohortStudy) -> str | None:
        """Why a study can have no folder; None where it can."""
        name = study.name
        if not names_a_folder(name):
            return f"the name {name!r} cannot be a folder's; give another"
        if not self.spread and name.casefold() in OF_COHORT:
            return f"the name {name!r} is that of a file of the cohort; give another"
        replaced = next(filter(self._would_replace, inputs(study)), None)
        return None if replaced is None else f"its input {replaced} lies where outputs are written; move it"

    def _would_replace(self, path: Path) -> bool:
        """Whether an input may be a file that is written. What is written replaces names, and not what they lead to."""
        if path.name.casefold() not in OF_STUDY and not path.is_symlink():
            return False
        real = Path(os.path.realpath(path))
        return real.name.casefold() in OF_STUDY and real.is_relative_to(os.path.realpath(self.root))


def inputs(study: CohortStudy) -> Sequence[Path]:
    """The files and folders that a study is read from."""
    return [path for path in (study.pet, study.ct, study.prompts) if path is not None]
