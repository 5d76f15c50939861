"""SHA-256 of files: of one file, and as recorded for a folder of downloads."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from sam_pet.errors import InputError
from sam_pet.files import write_json

MANIFEST = "fetched.json"


def file_sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_sha256(path: Path, expected: str) -> str:
    """The SHA-256 of a file, which must be the expected one.

    Raises:
        InputError: it is another.
    """
    found = file_sha256(path)
    if found != expected:
        raise InputError(
            f"{path} is damaged or was changed: its SHA-256 is {found[:12]}... and should be {expected[:12]}...; "
            "fetch or write it again"
        )
    return found


def read_hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file that was fetched into a folder, by file name; empty where nothing was.

    Raises:
        InputError: the manifest is damaged.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {str(name): str(sha256) for name, sha256 in files.items()}
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged; remove it to have the files' SHA-256 recorded anew") from error


def write_hashes(folder: Path, source: str, hashes: dict[str, str]) -> None:
    write_json({"source": source, "files": hashes}, folder / MANIFEST)
