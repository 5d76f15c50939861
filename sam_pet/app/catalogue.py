"""The studies that a reader can open, and the folders of those that were uploaded or fetched."""

from __future__ import annotations

import json
import secrets
import shutil
import threading
from collections.abc import Sequence
from pathlib import Path

from sam_pet.app.problems import NotNowError, NotThereError, UnusableError
from sam_pet.app.sources import OfferedStudy, Origin, find_offered, simulated
from sam_pet.errors import InputError, one_line
from sam_pet.files import write_json

_FACTS = "study.json"


class Catalogue:
    """Studies by id: those that the server was started with, and the reader's own copies.

    Args:
        folder: where copies are kept, one folder each.
        given: folders and files that the server was started with; with none the simulated study is offered.
    """

    def __init__(self, folder: Path, given: Sequence[Path]) -> None:
        self._folder = folder
        self._given = tuple(given)
        self._lock = threading.Lock()
        self._found: list[OfferedStudy] | None = None

    def of(self, reader: str) -> list[OfferedStudy]:
        """What a reader can open."""
        return [*self._offered(), *(study for _, study in self._copies(reader))]

    def get(self, reader: str, name: str) -> OfferedStudy:
        found = next((study for study in self.of(reader) if study.id == name), None)
        if found is None:
            raise NotThereError("there is no such study")
        return found

    def new_folder(self) -> Path:
        """An empty folder for a copy; it counts once `keep` was called on it."""
        folder = self._folder / secrets.token_hex(8)
        folder.mkdir(parents=True, mode=0o700)
        return folder

    def keep(self, reader: str, folder: Path, origin: Origin) -> OfferedStudy:
        """Take the study in a folder into the reader's copies.

        Raises:
            UnusableError: there is no study in it; the folder is gone then.
        """
        try:
            study = find_offered(folder, origin)[0]
        except (InputError, OSError) as error:
            shutil.rmtree(folder, ignore_errors=True)
            sentence = one_line(error) if isinstance(error, InputError) else "the files cannot be read"
            raise UnusableError(sentence.replace(str(folder), "the study")) from error
        write_json({"reader": reader, "study": study.facts()}, folder / _FACTS)
        return study

    def remove(self, reader: str, name: str) -> None:
        """Remove a copy from the disk."""
        self.get(reader, name)
        for folder, study in self._copies(reader):
            if study.id == name:
                shutil.rmtree(folder, ignore_errors=True)
                return
        raise NotNowError("this study is not a copy of the server's; its files stay where they are")

    def _offered(self) -> list[OfferedStudy]:
        with self._lock:
            if self._found is None:
                self._found = [study for path in self._given for study in find_offered(path, "folder")]
                if not self._given:
                    self._found = [simulated()]
            return self._found

    def _copies(self, reader: str) -> list[tuple[Path, OfferedStudy]]:
        found = []
        for facts in sorted(self._folder.glob(f"*/{_FACTS}")):
            try:
                content = json.loads(facts.read_text("utf-8"))
                if content["reader"] == reader:
                    found.append((facts.parent, OfferedStudy.of(content["study"])))
            except (OSError, ValueError, KeyError, TypeError):
                continue
        return found
