"""What one step leaves for the next: blobs that are only believed if they are whole and of the same case."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from sam_pet import __version__
from sam_pet.files import replacing
from sam_pet.session.saved import fingerprint
from sam_pet.study import Study

logger = logging.getLogger(__name__)

_MAGIC = b"sam_pet state 1\n"
_DIGEST = hashlib.sha256().digest_size


def case_key(study: Study, model: str) -> str:
    """What state depends on: the voxels and grid of the study, the weights, and this package's version."""
    facts = {"study": fingerprint(study), "model": model, "version": __version__, "ct": study.ct is not None}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


class Store:
    """Blobs by name in the first of some folders that takes them. It never raises: there may be no state.

    Args:
        folders: where state may be, the better place first.
        key: see `case_key`; a blob written under another key is not found.
    """

    def __init__(self, folders: Sequence[Path], key: str) -> None:
        self._folders = folders
        self._key = key.encode()

    def read(self, name: str) -> bytes | None:
        """A blob; None if there is none, or it is damaged or of another case."""
        for folder in self._folders:
            path = folder / name
            try:
                if not path.is_file():
                    continue
                content = path.read_bytes()
            except OSError as error:
                logger.warning("state: %s cannot be read: %s", path, error)
                continue
            blob = content[len(_MAGIC) + _DIGEST :]
            if content == _MAGIC + self._digest(blob) + blob:
                return blob
            logger.warning("state: %s is damaged or of another case; it is not used", path)
        return None

    def write(self, name: str, blob: bytes) -> None:
        """Keep a blob, whole or not at all."""
        for folder in self._folders:
            try:
                for left in folder.glob(".partial-*"):
                    left.unlink()
                with replacing(folder / name) as temporary:
                    temporary.write_bytes(_MAGIC + self._digest(blob) + blob)
                return
            except OSError as error:
                logger.warning("state: nothing can be kept in %s: %s", folder, error)
        logger.warning("state: the next step will start from nothing")

    def _digest(self, blob: bytes) -> bytes:
        return hashlib.sha256(self._key + blob).digest()
