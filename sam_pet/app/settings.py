"""What a server is told when it starts."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
READER = "reader"


def default_folder() -> Path:
    """Where a user's sessions lie unless another folder is given."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "sam-pet"


@dataclass(frozen=True)
class AppSettings:
    """Of one server.

    Attributes:
        folder: for sessions, uploads and what was fetched from a PACS.
        studies: folders and files that are offered; with none a simulated study is.
        model, device: as for `Segmenter.from_pretrained`.
        readers: who may read; each gets a token, and sees only their own sessions.
        hosts: names beside the loopback ones that the server is reached by, as behind a proxy.
        dicomweb: address of a PACS, or None.
        memory_bytes: what open sessions may hold together.
        upload_bytes: the most that one upload may hold, unpacked.
        idle_s: sessions that nobody has touched for so long are released.
    """

    folder: Path
    studies: tuple[Path, ...] = ()
    model: str = "default"
    device: str = "auto"
    readers: tuple[str, ...] = (READER,)
    hosts: tuple[str, ...] = ()
    dicomweb: str | None = None
    memory_bytes: int = 4 << 30
    upload_bytes: int = 4 << 30
    idle_s: float = 1800.0
