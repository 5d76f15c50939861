"""Files that grow by whole lines."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sam_pet.files import errors_on


def append_lines(path: Path, content: bytes, start: int | None = None) -> None:
    """Add lines to a file, on disk when this returns; where they cannot be written, no part of them stays.

    Args:
        path: of the file, which need not be there yet.
        content: whole lines.
        start: where they begin, what stands beyond being cut off; at the end if not given.

    Raises:
        OSError: they cannot be written, `path` being its file name.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.growing import append_lines
        >>> append_lines(Path("notes.txt"), b"one\\n")
        >>> append_lines(Path("notes.txt"), b"two\\n")
        >>> Path("notes.txt").read_text(encoding="utf-8")
        'one\\ntwo\\n'
    """
    new = not path.is_file()
    with errors_on(path), path.open("xb" if new else "r+b") as stream:
        begins = stream.seek(0, os.SEEK_END) if start is None else stream.seek(start)
        try:
            stream.truncate()
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        except OSError:
            with suppress(OSError):
                path.unlink(missing_ok=True) if new else os.truncate(path, begins)
            raise
