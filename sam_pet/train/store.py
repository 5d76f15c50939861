"""Examples as files, made once: named by the content of what they were made from, shared by every run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sam_pet.cases import Case
from sam_pet.cohort.local_pool import over_processes
from sam_pet.errors import InputError
from sam_pet.files import file_sha256, replacing, write_json
from sam_pet.progress import steps

T = TypeVar("T")
R = TypeVar("R")

# Examples of another format are made anew.
_FORMAT = 1
_DIGESTS = "digests"
_SHA256 = 64


class ExampleStore:
    """A folder of examples.

    Args:
        folder: where they lie; several runs, one after the other or at once, may use it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, kind: str, facts: Any, make: Callable[[Path], object], suffix: str = ".npz") -> Path:
        """The file of an example, made if it is not there.

        Args:
            kind: of example, the name of a folder.
            facts: all that it depends on, as JSON knows it.
            make: writes it under the name that it is given; killed meanwhile, it leaves nothing behind.
            suffix: of the file.
        """
        key = digest([_FORMAT, kind, facts])
        path = self.folder / kind / key[:2] / f"{key[:24]}{suffix}"
        if not path.exists():
            with replacing(path) as temporary:
                make(temporary)
        return path

    def fingerprint(self, case: Case) -> str:
        """The SHA-256 of a case's files, whatever their names; reckoned once for each state of a file."""
        parts = {name: getattr(case, name) for name in ("ct", "pet", "truth")}
        return digest({name: None if path is None else self.sha256(path) for name, path in parts.items()})

    def sha256(self, path: Path) -> str:
        """The SHA-256 of a file; reckoned once for each state of it.

        Raises:
            InputError: it cannot be read.
        """
        try:
            facts = path.stat()
        except OSError as error:
            raise InputError(f"{path} cannot be read ({error.strerror}); put it back, or leave its case out") from error
        state = [str(path.resolve()), facts.st_size, facts.st_mtime_ns]

        def sha256_in(content: Any) -> str | None:
            return content if isinstance(content, str) and len(content) == _SHA256 else None

        return self._kept(_DIGESTS, state, lambda file: write_json(file_sha256(path), file), sha256_in)

    def _kept(self, kind: str, facts: Any, make: Callable[[Path], object], parse: Callable[[Any], T | None]) -> T:
        """What `parse` reads in a JSON file, made if it is not there and made again where it is damaged."""
        for _ in range(2):
            path = self.get(kind, facts, make, ".json")
            with suppress(ValueError, RecursionError):
                found = parse(json.loads(path.read_text(encoding="utf-8")))
                if found is not None:
                    return found
            path.unlink(missing_ok=True)
        raise InputError(f"{path} cannot be kept; check the disk of {self.folder}")


def digest(facts: Any) -> str:
    """The SHA-256 of facts as JSON."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def made(items: Sequence[T], make: Callable[[T], R], workers: int, what: str) -> list[R]:
    """What is made of each item, in their order.

    Args:
        items: cases, or what else examples are made of.
        make: is pickled, and finds what was made before; one that several processes make at once is whole all the same.
        workers: processes that make them; below two, this one does.
        what: for the progress bar.

    Raises:
        InputError: an item is faulty, or ends its process each time.
    """
    if workers < 2 or len(items) < 2:
        return [make(item) for item in steps(items, what)]
    numbered = list(enumerate(items))
    found: dict[int, R] = {}
    for (number, _), result in steps(over_processes(numbered, partial(_second, make), workers), what, len(items)):
        if result is None:
            raise InputError(f"{what}: a process died each time, probably for want of memory; give fewer workers")
        found[number] = result[0]
    return [found[number] for number in range(len(items))]


def _second(make: Callable[[T], R], numbered: tuple[int, T]) -> tuple[R]:
    # In a tuple: of a case there may be nothing, which is not the same as no answer.
    return (make(numbered[1]),)
