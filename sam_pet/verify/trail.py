"""Manifest, log and files of any run, against each other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sam_pet.audit.environment import environment
from sam_pet.audit.log import LOG, ReadLog, read_log
from sam_pet.audit.seal import AUDIT, FILES, MANIFEST, content_sha256
from sam_pet.errors import InputError
from sam_pet.files import file_sha256, json_bytes
from sam_pet.verify.checks import Check, compared

_EXAMPLES = 3


@dataclass(frozen=True)
class Trail:
    """The records of a run.

    Attributes:
        folder: of the run.
        manifest: empty where it cannot be read.
        log: None where there is none.
    """

    folder: Path
    manifest: Mapping[str, Any]
    log: ReadLog | None

    @property
    def acts(self) -> Sequence[Mapping[str, Any]]:
        """The lines of the log from the last start on."""
        entries = self.log.entries if self.log else ()
        starts = [number for number, entry in enumerate(entries) if entry.get("action") == "start"]
        return entries[starts[-1] :] if starts else ()

    @property
    def start(self) -> Mapping[str, Any]:
        """The details of the last line `start`."""
        details = self.acts[0].get("details") if self.acts else None
        return details if isinstance(details, dict) else {}

    @property
    def run(self) -> str:
        """The kind of run.

        Raises:
            InputError: it is none.
        """
        marks = {"evaluation": "protocol", "session": "mask_sha256", "cohort": "studies"}
        found = next((kind for kind, key in marks.items() if key in self.manifest), None)
        if (self.folder / "recipe.yaml").is_file() or (self.folder / "tracker" / "recipe.yaml").is_file():
            found = "training"
        found = found or self.start.get("run")
        if not isinstance(found, str):
            raise InputError(f"verify: {self.folder} holds no run; give a session, an evaluation or a training")
        return found


def read_trail(folder: Path) -> Trail:
    """The records of the run in a folder.

    Raises:
        InputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(f"verify: no such folder: {folder}; give that of a session, evaluation or training")
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        manifest = {}
    log = read_log(folder / LOG) if (folder / LOG).is_file() else None
    return Trail(folder, manifest if isinstance(manifest, dict) else {}, log)


def check_trail(trail: Trail) -> Iterator[Check]:
    """Look at manifest, log and files; nothing is computed again."""
    path = trail.folder / MANIFEST
    sealed = trail.manifest.get(AUDIT)
    if path.is_file():
        same = bool(trail.manifest) and path.read_bytes() == json_bytes(trail.manifest)
        yield compared(MANIFEST, same, "as this program writes it", "its bytes are not as this program writes them")
    else:
        yield Check(MANIFEST, "differs" if trail.log else "unchecked", "there is none")
    if trail.log is None:
        known = "the manifest knows of one that is gone" if sealed else "there is none; the run is of an older version"
        yield Check(LOG, "differs" if sealed else "unchecked", known)
    else:
        yield from _check_log(trail, trail.log, sealed)
    yield from _check_files(trail)


def _check_log(trail: Trail, log: ReadLog, sealed: Any) -> Iterator[Check]:
    yield compared("chain of the log", log.fault is None, f"{len(log.heads)} lines", f"{log.fault}")
    if log.torn:
        yield Check("end of the log", "differs" if sealed else "unchecked", "the last line is unfinished")
    ends_sealed = bool(log.entries) and log.entries[-1].get("action") == "seal"
    if not isinstance(sealed, dict):
        why = "the log ends in a seal that the manifest does not have" if ends_sealed else "the run was cut off"
        yield Check("seal", "differs" if ends_sealed else "unchecked", why)
        return
    same = sealed == {"lines": len(log.heads), "head": log.heads[-1] if log.heads else None}
    yield compared("head of the log", same, str(sealed.get("head")), "the log is not the one that was sealed")
    details = log.entries[-1].get("details", {}) if ends_sealed else {}
    same = isinstance(details, dict) and details.get("manifest_sha256") == content_sha256(trail.manifest)
    yield compared("seal of the manifest", same, why="the manifest is not the one that was sealed")


def _check_files(trail: Trail) -> Iterator[Check]:
    files = trail.manifest.get(FILES)
    if not isinstance(files, dict):
        yield Check("files", "unchecked", "no hashes are recorded")
        return
    others = []
    for name, sha256 in files.items():
        path = trail.folder / name
        if not path.is_file():
            others.append(Check(name, "differs", "it is missing"))
        elif file_sha256(path) != sha256:
            others.append(Check(name, "differs", "its SHA-256 is not the recorded one"))
    agree = len(files) - len(others)
    yield from [*([Check("files", "agrees", f"{agree} as recorded")] if agree else []), *others]
    found = (path.relative_to(trail.folder) for path in sorted(trail.folder.rglob("*")) if path.is_file())
    unknown = [path.as_posix() for path in found if path.as_posix() not in (*files, MANIFEST, LOG)]
    if unknown:
        shown = ", ".join(unknown[:_EXAMPLES]) + (" ..." if len(unknown) > _EXAMPLES else "")
        yield Check("other files", "unchecked", f"{len(unknown)} without a recorded hash: {shown}")


def check_environment(trail: Trail) -> Check:
    """Compare what the run was computed with and what is here."""
    then = trail.start.get("environment")
    if not isinstance(then, dict):
        return Check("environment", "unchecked", "it is not recorded")
    now = environment()
    changed = [key for key in now if key != "packages" and now[key] != then.get(key)]
    packages: dict[str, Any] = then.get("packages", {})
    other = [name for name in {**now["packages"], **packages} if now["packages"].get(name) != packages.get(name)]
    if not changed and not other:
        return Check("environment", "agrees", "the same packages, code, device and threads")
    short = [key for key in changed if key not in ("code", "threads")]
    parts = [f"{key} {then.get(key)} then, {now[key]} now" for key in short]
    parts += [f"other {key}" for key in changed if key not in short]
    parts += [f"{len(other)} packages of other versions: {', '.join(sorted(other)[:_EXAMPLES])}"] if other else []
    return Check("environment", "unchecked", f"{'; '.join(parts)}; last digits may differ for that")
