"""The studies in a tree of DICOM files, sorted into folders in whatever way."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sam_pet.cohort.study import CohortStudy
from sam_pet.dicom.signature import is_dicom
from sam_pet.errors import InputError
from sam_pet.progress import steps

_KINDS = {"PT": "pet", "CT": "ct"}


@dataclass
class _Found:
    """The first file of each PET and CT series of a study, and the folders that they lie in."""

    pet: dict[str, Path] = field(default_factory=dict)
    ct: dict[str, Path] = field(default_factory=dict)
    folders: set[Path] = field(default_factory=set)


def dicom_studies(root: Path) -> list[CohortStudy]:
    """The studies that have a PET series; files of other kinds are passed over.

    A study is named by its folder below `root`, or by its UID where its files lie beside those of others. Which of
    several series is the PET or the CT is found out as its folder is read, see `sam_pet.dicom.series.read_series`.

    Raises:
        InputError: there are DICOM files, and what reads them is not installed.
    """
    files = [path for folder, _, names in os.walk(root) for path in (Path(folder) / name for name in sorted(names))]
    found: dict[str, _Found] = defaultdict(_Found)
    for path in steps(sorted(files), "DICOM headers"):
        if path.name.startswith(".") or not _is_dicom(path):
            continue
        study, series, modality = _header(path)
        if modality in _KINDS:
            getattr(found[study], _KINDS[modality]).setdefault(series, path)
            found[study].folders.add(path.parent)
    owners: dict[Path, set[str]] = defaultdict(set)
    for study, parts in found.items():
        for folder in parts.folders:
            for parent in (folder, *folder.parents):
                owners[parent].add(study)
                if parent == root:
                    break
    studies = [_study(uid, parts, root, owners) for uid, parts in found.items() if parts.pet]
    return sorted(studies, key=lambda study: study.name)


def _study(uid: str, parts: _Found, root: Path, owners: dict[Path, set[str]]) -> CohortStudy:
    common = Path(os.path.commonpath(parts.folders))
    if owners[common] == {uid}:
        name = "_".join(common.relative_to(root).parts) or root.resolve().name
        return CohortStudy(name, common, common if parts.ct else None)
    first = next(iter(parts.pet.values()))
    for what, series in (("PET", parts.pet), ("CT", parts.ct)):
        if len(series) > 1:
            fault = f"{what}: {len(series)} series of study {uid} lie among those of others; give a folder each"
            return CohortStudy(uid, first, fault=fault)
    return CohortStudy(uid, first, next(iter(parts.ct.values()), None))


def _is_dicom(path: Path) -> bool:
    try:
        return is_dicom(path)
    except InputError:
        return False


def _header(path: Path) -> Sequence[str]:
    """UID of the study, UID of the series, modality; empty where a file does not say."""
    try:
        from sam_pet.dicom.files import read_dicom
    except ModuleNotFoundError as error:
        raise InputError(f"studies: reading {path} needs {error.name}; pip install 'sam-pet[dicom]'") from error
    try:
        header = read_dicom(path, pixels=False)
        return [str(getattr(header, name, "")) for name in ("StudyInstanceUID", "SeriesInstanceUID", "Modality")]
    except Exception:  # pydicom has no common error; the study's own folder is read again, and says what is wrong
        return "", "", ""
