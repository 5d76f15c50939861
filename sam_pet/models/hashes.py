"""SHA-256 of files: of one file, and as recorded for a folder of downloads."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sam_pet.errors import InputError
from sam_pet.files import file_sha256, write_json

MANIFEST = "fetched.json"


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


def home() -> Path:
    """Where downloads are recorded: `$SAM_PET_HOME`, or `sam-pet` in the user's cache folder."""
    if chosen := os.environ.get("SAM_PET_HOME"):
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "sam-pet"


def download_folder(repository: str) -> Path:
    """The folder with the record of what was fetched of a hub's repository, and with files put there by hand."""
    return home() / "models" / repository.replace("/", "--")


def read_hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file that was fetched into a folder, by file name; empty where nothing was.

    A folder of the hub's cache, `models--organisation--name/snapshots/COMMIT`, holds no record of ours: it is in the
    `download_folder` of its repository.

    Raises:
        InputError: the manifest is damaged.
    """
    if folder.parent.name != "snapshots":
        return _read(folder)[0]
    repository = folder.parent.parent.name.removeprefix("models--")
    for recorded in sorted((home() / "models").glob(f"{repository}*")):
        hashes, revision = _read(recorded)
        if revision == folder.name:
            return hashes
    return {}


def read_revision(folder: Path) -> str | None:
    """The commit that was fetched, by a repository's `download_folder`; None where none was."""
    return _read(folder)[1]


def _read(folder: Path) -> tuple[dict[str, str], str | None]:
    path = folder / MANIFEST
    if not path.is_file():
        return {}, None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = {str(name): str(sha256) for name, sha256 in content["files"].items()}
        return files, content.get("revision")
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is damaged; remove it to have the files' SHA-256 recorded anew") from error


def write_hashes(folder: Path, source: str, hashes: dict[str, str], revision: str | None = None) -> None:
    write_json({"source": source, "revision": revision, "files": hashes}, folder / MANIFEST)
