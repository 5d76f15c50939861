"""The seal: a manifest that holds the SHA-256 of every file of a run and the head of its log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sam_pet.audit.actor import PROGRAM, Actor
from sam_pet.audit.log import LOG, Act, AuditLog
from sam_pet.errors import InputError, one_line
from sam_pet.files import file_sha256, json_bytes, write_json

MANIFEST, FILES, AUDIT = "manifest.json", "files", "audit"


def seal(log: AuditLog, content: Mapping[str, Any], files: Iterable[Path], actor: Actor = PROGRAM) -> dict[str, Any]:
    """Write the manifest of a run beside its log, and return it.

    The log's last line holds the SHA-256 of the manifest, and the manifest the hash of that line, so neither can be
    changed alone.

    Args:
        log: of the run; it gets the line `seal`.
        content: of the manifest.
        files: of the run, in the log's folder or below.
        actor: who wrote them.
    """
    folder = log.path.parent
    hashes = {path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(files)}
    manifest = {**{key: value for key, value in content.items() if key != AUDIT}, FILES: hashes}
    earlier = _manifest(folder)
    if is_sealed(log) and content_sha256(earlier) == content_sha256(manifest):
        # Nothing was done since: what is sealed stays as it is.
        return earlier
    log.append(Act(actor, "seal", {"manifest_sha256": content_sha256(manifest)}))
    manifest[AUDIT] = log.record
    write_json(manifest, folder / MANIFEST)
    return manifest


def begin(log: AuditLog, details: Mapping[str, Any], actor: Actor = PROGRAM) -> None:
    """Note that a run starts, or goes on.

    The manifest that it may have is no longer sealed then; what is sealed stays so until something else is done.

    Args:
        log: of the run; it gets the line `start`.
        details: kind of run and environment, and what it depends on.
        actor: who started it.

    Raises:
        InputError: there is a manifest, and it is damaged, or the folder is that of another kind of run.
    """
    require_own(log.path.parent, details["run"], details.get("command"))
    path = log.path.parent / MANIFEST
    manifest = _read(path) if path.is_file() else {}
    start = Act(actor, "start", details)

    def take_off() -> None:
        if FILES in manifest or AUDIT in manifest:
            write_json({key: value for key, value in manifest.items() if key not in (FILES, AUDIT)}, path)

    # First the log: a manifest without a seal beside a log that ends in one would look like a change.
    log.wait_with(start, then=take_off)
    if manifest.get(AUDIT) != log.record:
        log.append()


def require_own(folder: Path, run: str, command: str | None = None) -> None:
    """Raise an InputError if a folder has the log of another kind of run, or of another command."""
    found = run_of(folder)
    if found is not None and found != (run, command):
        other, by = found
        raise InputError(
            f"cannot write {folder}: it is the folder of another kind of run ({str(by or other)[:40]}); "
            "give another folder"
        )


def run_of(folder: Path) -> tuple[Any, Any] | None:
    """The kind of run whose log a folder has, and the command that started it; None where there is no log of a run."""
    try:
        with (folder / LOG).open("rb") as stream:
            start = json.loads(stream.readline())["details"]
        return start["run"], start.get("command")
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError):
        return None


def is_sealed(log: AuditLog) -> bool:
    """Whether the manifest beside a log is of this state of it."""
    return _manifest(log.path.parent).get(AUDIT) == log.record


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        return _read(folder / MANIFEST)
    except (OSError, InputError):
        return {}


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("it is no mapping")
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({one_line(error)[:100]}); restore it, or give another folder") from error
    return content


def content_sha256(manifest: Mapping[str, Any]) -> str:
    """The SHA-256 of a manifest without what it says of the log, as it would stand in a file."""
    rest = {key: value for key, value in manifest.items() if key != AUDIT}
    return hashlib.sha256(json_bytes(rest)).hexdigest()


def files_below(folder: Path, without: Iterable[str] = ()) -> list[Path]:
    """The files of a run's folder but for manifest, log, hidden and unfinished ones, and folders named in `without`."""
    left_out = set(without)
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path not in (folder / MANIFEST, folder / LOG)
        and not any(part.startswith(".") or part in left_out for part in path.relative_to(folder).parts)
    ]
