"""An evaluation, run again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import SimpleITK as sitk

from sam_pet.audit.log import mask_sha256
from sam_pet.benchmark.folder import Result, ResultsFolder, fingerprints, line_sha256
from sam_pet.benchmark.protocol import Protocol
from sam_pet.benchmark.run import evaluate
from sam_pet.cases import Case, find_cases
from sam_pet.errors import InputError, one_line
from sam_pet.methods import make_method
from sam_pet.verify.checks import NOT_RERUN, Asked, Check, compared
from sam_pet.verify.trail import Trail
from sam_pet.verify.weights import check_facts

# What no second run measures again.
_COSTS = {"seconds", "peak_mb", "gpu_peak_mb"}
_AGAIN = "results computed again"


def check_evaluation(trail: Trail, asked: Asked) -> Iterator[Check]:
    """Results against the log and the masks, cases, weights, and every result again."""
    folder = ResultsFolder(trail.folder)
    try:
        results = folder.results(repair=False)
    except InputError as error:
        yield Check("results", "differs", one_line(error))
        return
    yield from _check_results(trail, folder, results)
    cases: list[Case] = []
    if asked.cases is None:
        yield Check("inputs", "unchecked", "give the folder of the cases with --cases")
    else:
        cases, checks = _cases(trail, asked.cases)
        yield from checks
    methods = []
    for name, facts in trail.manifest.get("methods", {}).items():
        method, checks = check_facts(f"weights of {name}", name.partition(":")[2] or "default", _made(name), facts)
        methods += [] if method is None else [name]
        yield from checks
    if not asked.rerun:
        yield NOT_RERUN
    else:
        yield from _again(trail, folder, results, cases, methods, asked.workers)
    yield Check("seconds and memory", "unchecked", "they are of the machine and the hour")


def _check_results(trail: Trail, folder: ResultsFolder, results: Sequence[Result]) -> Iterator[Check]:
    entries = trail.log.entries if trail.log else ()
    told = {entry["result"]["sha256"] for entry in entries if entry.get("action") == "case"}
    strange = [r for r in results if trail.log is not None and line_sha256(r) not in told]
    shown = ", ".join(f"{r['case']} by {r['method']}" for r in strange[:3])
    yield compared("results in the log", not strange, f"{len(results)}", f"not those that the log tells of: {shown}")
    wrong = []
    for result in results:
        rows = result.get("rows")
        if not rows or "mask_sha256" not in rows[-1]:
            continue
        try:
            mask = sitk.GetArrayFromImage(folder.read_mask(result["case"], result["method"]))
            same = mask_sha256(mask) == rows[-1]["mask_sha256"]
        except InputError:
            same = False
        wrong += [] if same else [f"{result['case']} by {result['method']}"]
    yield compared("masks and results", not wrong, "each mask is the one that was scored", f"{', '.join(wrong[:3])}")


def _made(name: str) -> Any:
    def load() -> tuple[str, Mapping[str, Any]]:
        return name, dict(make_method(name).facts)

    return load


def _cases(trail: Trail, folder: Path) -> tuple[list[Case], list[Check]]:
    """The cases that are the recorded ones, and what was found of all."""
    recorded: Mapping[str, str] = trail.manifest.get("cases", {})
    try:
        cases = find_cases(folder, list(recorded))
    except InputError as error:
        return [], [Check("inputs", "unchecked", one_line(error))]
    now = fingerprints(cases)
    others = [Check(f"case {name}", "differs", "its files are not those of the run") for name in recorded
              if now[name] != recorded[name]]  # fmt: skip
    same = [case for case in cases if now[case.name] == recorded[case.name]]
    found = [Check("inputs", "agrees", f"{len(same)} cases as recorded")] if same else []
    return same, [*found, *others]


def _again(
    trail: Trail,
    folder: ResultsFolder,
    results: Sequence[Result],
    cases: Sequence[Case],
    methods: Sequence[str],
    workers: int,
) -> Iterator[Check]:
    if not cases or not methods:
        yield Check(_AGAIN, "unchecked", "it takes cases and weights of the run")
        return
    protocol = Protocol(**trail.manifest["protocol"])
    with tempfile.TemporaryDirectory(prefix="sam-pet-") as scratch:
        try:
            found = evaluate(cases, methods, protocol, Path(scratch) / "run", workers)
        except InputError as error:
            yield Check(_AGAIN, "unchecked", one_line(error))
            return
        again = {(r["case"], r["method"]): r for r in found}
        other = ResultsFolder(Path(scratch) / "run")
        for method in methods:
            pairs = [
                (r, again[key]) for r in results if (key := (r["case"], method)) in again and r["method"] == method
            ]
            wrong = [Check(f"{old['case']} by {method}", "differs", why) for old, new in pairs
                     if (why := _difference(folder, other, old, new))]  # fmt: skip
            if len(pairs) > len(wrong):
                detail = f"{len(pairs) - len(wrong)} cases: masks after each step, strokes and scores"
                yield Check(f"{method} computed again", "agrees", detail)
            yield from wrong


def _difference(old_folder: ResultsFolder, new_folder: ResultsFolder, old: Result, new: Result) -> str | None:
    """What differs first between two results of a case by a method; None if nothing does."""
    if "error" in old or "error" in new:
        return None if old.get("error") == new.get("error") else f"then {_told(old)}, now {_told(new)}"
    if old["facts"] != new["facts"]:
        return "other facts of the case"
    for before, after in zip(old["rows"], new["rows"], strict=False):
        key = next((k for k in after if k not in _COSTS and k in before and before[k] != after[k]), None)
        if key is not None:
            return f"{key} at step {before['step']} was {before[key]} and is {after[key]}"
    if len(old["rows"]) != len(new["rows"]):
        return "another number of steps"
    names = [folder.strokes_path(old["case"], old["method"]) for folder in (old_folder, new_folder)]
    try:
        strokes = [json.loads(path.read_bytes()) for path in names]
    except (OSError, ValueError) as error:
        return f"the strokes cannot be read ({one_line(error)})"
    return None if strokes[0] == strokes[1] else "other strokes"


def _told(result: Result) -> str:
    return f"failed ({result['error']})" if "error" in result else "done"
