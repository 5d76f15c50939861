"""The studies of a cohort: the rows of a CSV file, or the folders of a folder."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from sam_pet.errors import InputError
from sam_pet.files import image_suffix

_COLUMNS = ("name", "ct", "pet", "prompts")


@dataclass(frozen=True)
class CohortStudy:
    """The files of one study; without prompts its lesions are looked for.

    Examples:
        >>> from pathlib import Path
        >>> from sam_pet.cohort.studies import CohortStudy
        >>> CohortStudy("anna", Path("anna/SUV.nii.gz")).prompts is None
        True
    """

    name: str
    pet: Path
    ct: Path | None = None
    prompts: Path | None = None


def find_studies(source: Path) -> list[CohortStudy]:
    """The studies of a CSV file or a folder; whether their files are sound is not looked at.

    Args:
        source: a CSV file with the columns `pet` and, as wanted, `ct`, `prompts` and `name` (paths relative to the
            file, images or DICOM folders), or a folder that holds a folder a study: `SUV`, and as wanted `CTres`, with
            an image suffix, and `prompts.json`.

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
        found = _folders(source)
    elif source.is_file():
        found = _rows(source)
    else:
        raise InputError(f"studies: no such file or folder: {source}")
    if not found:
        raise InputError(f"studies: {source} holds none; give a CSV with a column pet, or folders with SUV.nii.gz")
    return found


def _rows(source: Path) -> list[CohortStudy]:
    try:
        with source.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            columns, rows = list(reader.fieldnames or ()), list(reader)
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"studies: {source} cannot be read as a CSV file ({error})") from error
    unknown = [name for name in columns if name not in _COLUMNS]
    if unknown or "pet" not in columns:
        fault = f"an unknown column {unknown[0]!r}" if unknown else "no column 'pet'"
        raise InputError(f"studies: {source} has {fault}; columns are {', '.join(_COLUMNS)}")
    return [_row(row, number, source) for number, row in enumerate(rows, 1)]


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


def _folders(source: Path) -> list[CohortStudy]:
    found = []
    for folder in sorted(source.iterdir()):
        if folder.name.startswith(".") or not folder.is_dir():
            continue
        images = {p.name.removesuffix(image_suffix(p) or ""): p for p in sorted(folder.iterdir()) if image_suffix(p)}
        prompts = folder / "prompts.json"
        # A folder without a PET is a study that fails, and not one that is passed over.
        pet = images.get("SUV", folder / "SUV.nii.gz")
        found.append(CohortStudy(folder.name, pet, images.get("CTres"), prompts if prompts.is_file() else None))
    return found
