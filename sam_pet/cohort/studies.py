"""The studies of a cohort: the rows of a CSV file, the folders of a folder, or those of a tree of DICOM files."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sam_pet.cohort.dicom_tree import dicom_studies
from sam_pet.cohort.study import CohortStudy
from sam_pet.errors import InputError
from sam_pet.files import image_suffix

_COLUMNS = ("name", "ct", "pet", "prompts")


@dataclass(frozen=True)
class Cohort:
    """Studies that can be gone through again and again, none of them held in memory.

    Attributes:
        source: the file or folder that they are of.
        size: how many they are.
    """

    source: Path
    size: int
    _each: Callable[[], Iterator[CohortStudy]]

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[CohortStudy]:
        return self._each()

    def shard(self, number: int, of: int) -> Cohort:
        """One of `of` parts, from 0 on. Studies of one name are in one part, and it does not matter where they stand.

        Raises:
            InputError: there is no such part.
        """
        if not 0 <= number < of:
            raise InputError(f"shard: there is no {number}/{of}; parts are 0/{of} to {of - 1}/{of}")

        def each() -> Iterator[CohortStudy]:
            return (study for study in self if name_hash(study.name) % of == number)

        return Cohort(self.source, sum(1 for _ in each()), each)


def name_hash(name: str) -> int:
    """A number for a name, whatever the case of its letters: some file systems do not tell them apart."""
    return int.from_bytes(hashlib.sha256(name.casefold().encode("utf-8", "surrogateescape")).digest()[:8], "big")


def find_studies(source: Path) -> Cohort:
    """The studies of a CSV file or a folder; whether their images are sound is not looked at.

    Args:
        source: a CSV file with the columns `pet` and, as wanted, `ct`, `prompts` and `name` (paths relative to the
            file, images or DICOM folders); a folder that holds a folder a study: `SUV`, and as wanted `CTres`, with
            an image suffix, and `prompts.json`; or a folder of DICOM files, sorted in whatever way.

    Raises:
        InputError: no such file or folder, unknown columns, a row without a PET, or no study in it.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.cohort.studies import find_studies
        >>> _ = Path("cohort.csv").write_text("name,pet\\nanna,anna/SUV.nii.gz\\n", encoding="utf-8")
        >>> [study.name for study in find_studies(Path("cohort.csv"))]
        ['anna']
    """
    if source.is_dir():
        return _of_folder(source)
    if not source.is_file():
        raise InputError(f"studies: no such file or folder: {source}")
    count = sum(1 for _ in _rows(source))
    if not count:
        raise InputError(f"studies: {source} has no row; give one for each study")
    return Cohort(source, count, lambda: _rows(source))


def _rows(source: Path) -> Iterator[CohortStudy]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns = list(reader.fieldnames or ())
            unknown = [name for name in columns if name not in _COLUMNS]
            twice = [name for name in columns if columns.count(name) > 1]
            if unknown or twice or "pet" not in columns:
                fault = "no column 'pet'"
                if unknown or twice:
                    fault = f"an unknown column {unknown[0]!r}" if unknown else f"two columns {twice[0]!r}"
                raise InputError(f"studies: {source} has {fault}; columns are {', '.join(_COLUMNS)}")
            for number, row in enumerate(reader, 1):
                yield _row(row, number, source)
    except InputError:
        raise
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"studies: {source} cannot be read as a CSV file ({error})") from error


def _row(row: dict[str, str | None], number: int, source: Path) -> CohortStudy:
    def path(column: str) -> Path | None:
        text = (row.get(column) or "").strip()
        return source.parent / text if text else None

    pet = path("pet")
    if pet is None or None in row:
        fault = "no PET" if pet is None else "more fields than columns"
        raise InputError(f"studies: {source} has {fault} in row {number}; correct the row")
    name = (row.get("name") or "").strip() or f"study_{number:06d}"
    return CohortStudy(name, pet, path("ct"), path("prompts"))


def _of_folder(source: Path) -> Cohort:
    try:
        with os.scandir(source) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir())
    except OSError as error:
        raise InputError(f"studies: {source} cannot be read ({error.strerror})") from error
    if any("SUV" in _images(source / name) for name in names):
        return Cohort(source, len(names), lambda: (_in_folder(source / name) for name in names))
    found = dicom_studies(source)
    if not found:
        raise InputError(f"studies: {source} holds none; give a CSV, folders with SUV.nii.gz, or DICOM files")
    return Cohort(source, len(found), lambda: iter(found))


def _in_folder(folder: Path) -> CohortStudy:
    images, prompts = _images(folder), folder / "prompts.json"
    # A folder without a PET is a study that fails, and not one that is passed over.
    pet = images.get("SUV", folder / "SUV.nii.gz")
    return CohortStudy(folder.name, pet, images.get("CTres"), prompts if prompts.is_file() else None)


def _images(folder: Path) -> dict[str, Path]:
    try:
        files = sorted(folder.iterdir())
    except OSError:
        return {}
    return {path.name.removesuffix(image_suffix(path) or ""): path for path in files if image_suffix(path)}
