"""What DICOM studies lie in a folder, and which PET and CT series they have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset

from sam_pet.dicom.series import MODALITIES, header_of, is_attenuation_corrected, is_volume
from sam_pet.dicom.tags import quiet, value_of

_OF_MODALITY = {modality: what for what, modality in MODALITIES.items()}


@dataclass(frozen=True)
class SeriesSummary:
    """A PET or CT series: its UID, what it calls itself, and the headers of its files."""

    uid: str
    what: str
    description: str
    paths: tuple[Path, ...]
    is_volume: bool
    is_corrected: bool

    @property
    def path(self) -> Path:
        """What `read_series` reads it from: one file of it, or where it lies in several folders that above them."""
        folders = {path.parent for path in self.paths}
        if len(folders) == 1:
            return self.paths[0]
        first, *others = folders
        return next(above for above in (first, *first.parents) if all(o.is_relative_to(above) for o in others))


@dataclass(frozen=True)
class StudySummary:
    """A DICOM study with its PET and CT series; texts are as they stand in its headers."""

    uid: str
    patient: str
    patient_id: str
    date: str
    description: str
    series: tuple[SeriesSummary, ...]

    def preferred(self, what: str) -> SeriesSummary | None:
        """The likeliest series of a kind, by the rules of `read_series`, else the one of most images."""
        found = [series for series in self.series if series.what == what]
        for rule in ("is_volume", "is_corrected") if what == "PET" else ("is_volume",):
            found = [series for series in found if getattr(series, rule)] or found
        return max(found, key=lambda series: len(series.paths), default=None)


def find_studies_in(folder: Path) -> list[StudySummary]:
    """The DICOM studies with a PET in a folder and its subfolders; whether they are sound is not looked at.

    Raises:
        InputError: a file cannot be read, or is damaged DICOM.
    """
    slices: dict[str, dict[str, list[tuple[Path, Dataset]]]] = {}
    with quiet():
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            header = header_of(path)
            if header is None or value_of(header, "Modality") not in _OF_MODALITY:
                continue
            study, series = (str(value_of(header, f"{k}InstanceUID") or "") for k in ("Study", "Series"))
            slices.setdefault(study, {}).setdefault(series, []).append((path, header))
        found = [_study(uid, series) for uid, series in slices.items()]
    return [study for study in found if any(series.what == "PET" for series in study.series)]


def _study(uid: str, series: dict[str, list[tuple[Path, Dataset]]]) -> StudySummary:
    header = next(iter(series.values()))[0][1]
    patient, patient_id, date, description = (
        _text(header, keyword) for keyword in ("PatientName", "PatientID", "StudyDate", "StudyDescription")
    )
    return StudySummary(
        uid, patient, patient_id, date, description, tuple(_series(name, files) for name, files in series.items())
    )


def _series(uid: str, files: Sequence[tuple[Path, Dataset]]) -> SeriesSummary:
    header = files[0][1]
    return SeriesSummary(
        uid,
        _OF_MODALITY[str(value_of(header, "Modality"))],
        _text(header, "SeriesDescription"),
        tuple(path for path, _ in files),
        is_volume(files),
        is_attenuation_corrected(files),
    )


def _text(header: Dataset, keyword: str) -> str:
    return str(value_of(header, keyword) or "")
