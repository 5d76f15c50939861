"""Names that files and folders can have on every system."""

from __future__ import annotations

# Devices of Windows, whatever follows a dot.
_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}
_MARKS = '/\\:*?"<>|'
# Bytes that a file system takes, with room for a suffix and what a temporary name puts before it.
_LONGEST = 200


def names_a_folder(name: str) -> bool:
    """Whether a folder or file of this name can be made on Linux, macOS and Windows, and is not hidden.

    Examples:
        >>> from sam_pet.names import names_a_folder
        >>> names_a_folder("PETCT_0a1b"), names_a_folder("aux.2"), names_a_folder("a/b"), names_a_folder("a.")
        (True, False, False, False)
    """
    return (
        bool(name)
        and not any(mark in _MARKS or ord(mark) < 32 for mark in name)
        and not name.startswith((".", " "))
        and not name.endswith((".", " "))
        and name.partition(".")[0].casefold() not in _DEVICES
        and len(name.encode("utf-8", "surrogateescape")) <= _LONGEST
    )
