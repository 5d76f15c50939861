"""The studies that a server may open: what lies in one folder, by numbers instead of names that may be a patient's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from sam_pet.demo import demo_study
from sam_pet.dicom.signature import is_dicom
from sam_pet.errors import InputError, one_line
from sam_pet.files import image_suffix
from sam_pet.study import LITTLE_COVERED, Study, read_study

DEMO = "demo"
DEMO_SEED = 7


@dataclass(frozen=True)
class Shelved:
    """A study that can be opened: its number as told, the name of its file or folder, and its images.

    `ct` is the folder of the PET where it may hold a CT series, too.
    """

    study: str
    name: str
    pet: Path
    ct: Path | None

    @property
    def dicom(self) -> bool:
        return self.pet.is_dir()


class Shelf:
    """The studies in a folder: folders with SUV and CTres images or with DICOM series, and pairs NAME_0000 (CT) and
    NAME_0001 (PET) in it or in its `imagesTr`; the built-in simulated study beside them.

    Raises:
        InputError: there is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"studies: no such folder: {folder}")
        self.folder = folder.resolve()

    @cached_property
    def studies(self) -> dict[str, Shelved]:
        """By number, in the order of their names."""
        try:
            found = sorted(self._found(), key=lambda one: one.name)
        except OSError as error:
            raise InputError(f"studies: the folder cannot be read ({error.strerror})") from error
        digits = max(2, len(str(len(found))))
        numbered = [replace(one, study=f"study-{i:0{digits}d}") for i, one in enumerate(found, 1)]
        return {one.study: one for one in numbered}

    def find(self, study: str) -> Shelved | None:
        """The study of a number or of the name of its file or folder; None for the built-in one.

        Raises:
            InputError: there is no such study here.
        """
        if study == DEMO:
            return None
        named = {one.name: one for one in self.studies.values()}
        found = self.studies.get(study) or named.get(study)
        if found is None:
            raise InputError("open_study: there is no such study; list_studies says which there are")
        return found

    def read(self, shelved: Shelved | None) -> Study:
        """Read a study; a CT that covers little of the PET is left out, since masks are better without.

        Raises:
            InputError: see `read_study`; the text names no file.
        """
        if shelved is None:
            return demo_study(DEMO_SEED)[0]
        try:
            study = self._read(shelved)
        except InputError as error:
            raise InputError(self.without_names(one_line(error), shelved)) from error
        return study if study.ct_share >= LITTLE_COVERED else replace(study, ct=None)

    def without_names(self, text: str, shelved: Shelved) -> str:
        """A text in which the study's files go by its number."""
        for path in sorted({shelved.pet, shelved.ct or shelved.pet}, key=lambda p: -len(str(p))):
            text = text.replace(str(path), shelved.study)
        return text.replace(str(self.folder), "the folder").replace(shelved.name, shelved.study)

    def _read(self, shelved: Shelved) -> Study:
        if not shelved.dicom:
            return read_study(shelved.ct, shelved.pet)
        try:
            return read_study(shelved.ct, shelved.pet)
        except InputError as error:
            if not str(error).startswith("CT: no DICOM series"):
                raise
        return read_study(None, shelved.pet)

    def _found(self) -> Iterator[Shelved]:
        for folder in (self.folder, self.folder / "imagesTr"):
            if folder.is_dir():
                yield from self._pairs(folder)
        for path in self.folder.iterdir():
            if not path.name.startswith(".") and path.name != "imagesTr" and path.is_dir() and self._is_here(path):
                yield from self._in_folder(path)

    def _pairs(self, folder: Path) -> Iterator[Shelved]:
        images = {path.name.removesuffix(image_suffix(path) or ""): path for path in self._images(folder)}
        for name, path in images.items():
            if name.endswith("_0001"):
                yield Shelved("", name[:-5], path, images.get(f"{name[:-5]}_0000"))

    def _in_folder(self, folder: Path) -> Iterator[Shelved]:
        images = {path.name.removesuffix(image_suffix(path) or ""): path for path in self._images(folder)}
        if "SUV" in images:
            yield Shelved("", folder.name, images["SUV"], images.get("CTres"))
        elif not images and any(is_dicom(p) for p in folder.rglob("*") if p.is_file() and self._is_here(p)):
            yield Shelved("", folder.name, folder, folder)

    def _images(self, folder: Path) -> list[Path]:
        return [p for p in sorted(folder.iterdir()) if image_suffix(p) and p.is_file() and self._is_here(p)]

    def _is_here(self, path: Path) -> bool:
        """Whether a path lies in the folder, links followed."""
        return path.resolve().is_relative_to(self.folder)
