"""The seal: a manifest that holds the SHA-256 of every file of a run and the head of its log."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sam_pet.audit.actor import PROGRAM, Actor
from sam_pet.audit.log import LOG, Act, AuditLog
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
    log.append(Act(actor, "seal", {"manifest_sha256": content_sha256(manifest)}))
    manifest[AUDIT] = log.record
    write_json(manifest, folder / MANIFEST)
    return manifest


def begin(log: AuditLog, details: Mapping[str, Any], actor: Actor = PROGRAM) -> None:
    """Note that a run starts, or goes on; the manifest that it may have is no longer sealed.

    Args:
        log: of the run; it gets the line `start`.
        details: kind of run and environment, and what it depends on.
        actor: who started it.
    """
    log.append(Act(actor, "start", details))
    path = log.path.parent / MANIFEST
    if path.is_file():
        manifest = json.loads(path.read_text(encoding="utf-8"))
        write_json({key: value for key, value in manifest.items() if key not in (FILES, AUDIT)}, path)


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
