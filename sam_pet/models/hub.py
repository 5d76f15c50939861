"""Files of a hub repository: in the cache that all of its ecosystem shares, fetched once and checked ever after.

`HF_HOME`, `HF_HUB_CACHE`, `HF_HUB_OFFLINE`, `HF_ENDPOINT` and `HF_TOKEN` mean what they mean elsewhere. The commit that
a first fetch found is recorded with the files' SHA-256, and later fetches keep to it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from sam_pet.errors import InputError
from sam_pet.files import file_sha256
from sam_pet.models.hashes import (
    check_sha256,
    download_folder,
    read_hashes,
    read_revision,
    write_hashes,
)
from sam_pet.models.manifest import ADAPTER_CONFIG, ADAPTER_WEIGHTS, CONFIG, RECORD, WEIGHTS, read_manifest

_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_REVISION = "main"
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*(@[\w.-]+)?")


def endpoint() -> str:
    """The hub's address: `$HF_ENDPOINT`, or https://huggingface.co."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def cache() -> Path:
    """The hub's cache: `$HF_HUB_CACHE`, or `hub` in `$HF_HOME`, or in `huggingface` in the user's cache folder."""
    if chosen := os.environ.get("HF_HUB_CACHE"):
        return Path(chosen).expanduser()
    usual = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface"
    return Path(os.environ.get("HF_HOME") or usual).expanduser() / "hub"


def offline() -> bool:
    """Whether `$HF_HUB_OFFLINE` forbids the network."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def location(repository: str, files: Sequence[str]) -> Path | None:
    """The folder in which these files of a repository lie already; None where one is missing.

    That is `download_folder`, for what was put there by hand or by earlier versions, else the recorded commit in the
    hub's cache, else whatever is there of the branch.
    """
    by_hand = download_folder(repository)
    if all((by_hand / file).is_file() for file in files):
        return by_hand
    name, _, asked = repository.partition("@")
    cached = cache() / f"models--{name.replace('/', '--')}"
    commit = read_revision(by_hand) or _branch(cached, asked or _REVISION)
    folder = cached / "snapshots" / commit
    return folder if all((folder / file).is_file() for file in files) else None


def _branch(cached: Path, revision: str) -> str:
    """The commit that a branch was when it was last fetched, or the revision itself."""
    reference = cached / "refs" / revision
    return reference.read_text(encoding="utf-8").strip() if reference.is_file() else revision


def fetch(repository: str, files: Sequence[str], optional: Sequence[str] = ()) -> Path:
    """The folder with these files of a repository `organisation/name[@revision]`; what is there is not fetched again.

    A file is checked against the SHA-256 that the hub has of it, which it has of weights. Its own is recorded
    when it is first used, also when it was put there by hand, and checked whenever it is loaded.

    Args:
        optional: files that the repository may lack; not asked for once all others are there.

    Raises:
        InputError: offline, no such repository or file, no leave to have it, no room, or a SHA-256 that is not the
            expected one.
    """
    folder = location(repository, files)
    told: dict[str, str] = {}
    if folder is None:
        folder, told = _download_all(repository, files, optional)
    known = read_hashes(folder)
    present = [file for file in (*files, *optional) if (folder / file).is_file()]
    if any(file not in known for file in present):
        hashes = {file: _checked(folder / file, known.get(file) or told.get(file)) for file in present}
        revision = folder.name if folder.parent.name == "snapshots" else None
        source = f"{endpoint()}/{repository.partition('@')[0]}/tree/{revision or _REVISION}"
        write_hashes(download_folder(repository), source, {**known, **hashes}, revision)
    return folder


def fetch_checkpoint(repository: str) -> Path:
    """The folder with a checkpoint or an adapter fetched from the hub, by its id "organisation/name[@revision]".

    Raises:
        InputError: it cannot be fetched.
    """
    folder = fetch(repository, (CONFIG,), optional=(RECORD, ADAPTER_CONFIG))
    adapter = (folder / ADAPTER_CONFIG).is_file()
    record = read_manifest(folder) if (folder / RECORD).is_file() else None
    parts = [] if record is None else [part.file for part in record.parts.values()]
    return fetch(repository, (CONFIG, ADAPTER_WEIGHTS if adapter else WEIGHTS, *parts))


def _checked(path: Path, expected: str | None) -> str:
    try:
        return check_sha256(path, expected) if expected else file_sha256(path)
    except InputError:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise


def _download_all(repository: str, files: Sequence[str], optional: Sequence[str]) -> tuple[Path, dict[str, str]]:
    """The folder of a commit, and the SHA-256 that the hub tells of its files."""
    name, _, asked = repository.partition("@")
    commit = read_revision(download_folder(repository)) or asked or _REVISION
    told: dict[str, str] = {}
    folder = None
    for file in (*files, *optional):
        found = _download(repository, name, file, commit, file in optional)
        if found is not None:
            path, commit, sha256 = found
            folder = path.parent
            told |= {file: sha256} if sha256 else {}
    assert folder is not None, "a file that is not optional was fetched or an error raised"
    return folder, told


def _download(
    repository: str, name: str, file: str, revision: str, optional: bool
) -> tuple[Path, str, str | None] | None:
    """Fetch one file, resuming where an earlier try broke off: its path, commit and, where told, SHA-256."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import EntryNotFoundError

    url = hf_hub_url(name, file, revision=revision, endpoint=endpoint())
    try:
        if offline():
            raise ConnectionError("HF_HUB_OFFLINE is set")
        # Asked first because, without a network, it gives up at once.
        about = get_hf_file_metadata(url, endpoint=endpoint())
        commit = revision if _COMMIT.fullmatch(revision) else about.commit_hash or revision
        path = hf_hub_download(name, file, revision=commit, cache_dir=cache(), endpoint=endpoint())
    except Exception as error:  # the hub's client raises errors of several libraries
        if optional and isinstance(error, EntryNotFoundError):
            return None
        raise InputError(f"{file} of {name} cannot be fetched {_reason(error, repository, name, url)}") from error
    return Path(path), commit, about.etag if about.etag and _SHA256.fullmatch(about.etag) else None


def _reason(error: Exception, repository: str, name: str, url: str) -> str:
    """What went wrong and what to do, for the end of a line."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, GatedRepoError) or status == 403:
        return (
            f"(it is gated): accept its terms on {endpoint()}/{name}, then set HF_TOKEN to a token of the same account"
        )
    if status == 401 or (isinstance(error, RepositoryNotFoundError) and status == 401):
        return (
            f"(401): it does not exist, or it wants a token; see {endpoint()}/{name}, "
            "accept its terms if it has any, and set HF_TOKEN"
        )
    causes = [error, error.__cause__, error.__context__]
    if any(getattr(cause, "errno", None) == errno.ENOSPC for cause in causes):
        free = shutil.disk_usage(_existing(cache())).free / 1e6
        return f"(no space left): {cache()} has {free:.0f} MB free; make room, or set HF_HOME to a larger disk"
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return f"({reason}); by hand: download {url} where there is a network and put it into {download_folder(repository)}"


def _existing(path: Path) -> Path:
    return path if path.exists() else _existing(path.parent)
