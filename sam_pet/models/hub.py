"""Files of a hub repository in a folder of the user's, fetched once and checked ever after."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from sam_pet.errors import InputError
from sam_pet.models.hashes import check_sha256, file_sha256, read_hashes, write_hashes
from sam_pet.models.record import ADAPTER_CONFIG, ADAPTER_WEIGHTS, CONFIG, RECORD, WEIGHTS

_SHA256 = re.compile(r"[0-9a-f]{64}")
_REVISION = "main"
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def home() -> Path:
    """Where downloads lie: `$SAM_PET_HOME`, or `sam-pet` in the user's cache folder."""
    if chosen := os.environ.get("SAM_PET_HOME"):
        return Path(chosen).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "sam-pet"


def download_folder(repository: str) -> Path:
    """The folder that holds what was fetched of a repository."""
    return home() / "models" / repository.replace("/", "--")


def endpoint() -> str:
    """The hub's address: `$HF_ENDPOINT`, or https://huggingface.co."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def fetch(repository: str, files: Sequence[str], optional: Sequence[str] = ()) -> Path:
    """The folder with these files of a repository `organisation/name`; what lies there already is not fetched again.

    A file is checked against the SHA-256 that the hub has of it, which it has of weights. Its own is recorded
    when it first lies there, also when it was put there by hand, and checked whenever it is loaded.

    Args:
        optional: files that the repository may lack; not asked for once all others are there.

    Raises:
        InputError: offline, no such repository or file, or a SHA-256 that is not the expected one.
    """
    folder = download_folder(repository)
    known = read_hashes(folder)
    if all(file in known and (folder / file).is_file() for file in files):
        return folder
    hashes = {}
    for file in (*files, *optional):
        path = folder / file
        told = None if path.is_file() else _download(repository, file, folder, file in optional)
        if not path.is_file():
            continue
        expected = known.get(file) or told
        try:
            hashes[file] = check_sha256(path, expected) if expected else file_sha256(path)
        except InputError:
            path.unlink()
            raise
    write_hashes(folder, f"{endpoint()}/{repository}/tree/{_REVISION}", {**known, **hashes})
    return folder


def fetch_checkpoint(repository: str) -> Path:
    """The folder with a checkpoint or an adapter fetched from the hub, by its id "organisation/name".

    Raises:
        InputError: it cannot be fetched.
    """
    folder = fetch(repository, (CONFIG,), optional=(RECORD, ADAPTER_CONFIG))
    adapter = (folder / ADAPTER_CONFIG).is_file()
    return fetch(repository, (CONFIG, ADAPTER_WEIGHTS if adapter else WEIGHTS))


def _download(repository: str, file: str, folder: Path, optional: bool) -> str | None:
    """Fetch one file, resuming where an earlier try broke off; its SHA-256 where the hub tells it."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    url = hf_hub_url(repository, file, revision=_REVISION, endpoint=endpoint())
    try:
        # Asked first because, without a network, it gives up at once.
        told = get_hf_file_metadata(url, endpoint=endpoint()).etag
        hf_hub_download(repository, file, revision=_REVISION, local_dir=folder, endpoint=endpoint())
    except Exception as error:  # the hub's client raises errors of several libraries
        if optional and isinstance(error, EntryNotFoundError):
            return None
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{file} of {repository} cannot be fetched ({reason}); by hand: download {url} "
            f"where there is a network and put it into {folder}"
        ) from error
    return told if told and _SHA256.fullmatch(told) else None
