"""A session's lesions as files of other programs; all of it is written by the package's own writers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sam_pet.app.problems import NotNowError
from sam_pet.app.reading import LiveReading
from sam_pet.csv_cells import defused
from sam_pet.files import replacing, write_image, write_json
from sam_pet.outputs import write_dicom

if TYPE_CHECKING:
    from sam_pet.dicom.series import Series
    from sam_pet.report.content import Content


@dataclass(frozen=True)
class ExportKind:
    """One kind of file."""

    title: str
    file: str
    media_type: str
    needs_dicom: bool = False


_DICOM, _GZIP = "application/dicom", "application/gzip"
EXPORTS = {
    "seg": ExportKind("DICOM SEG", "lesions-seg.dcm", _DICOM, True),
    "rtstruct": ExportKind("DICOM RTSTRUCT", "lesions-rtstruct.dcm", _DICOM, True),
    "sr": ExportKind("DICOM structured report", "lesions-sr.dcm", _DICOM, True),
    "nifti": ExportKind("NIfTI label map", "lesions.nii.gz", _GZIP),
    "seg.nrrd": ExportKind("3-D Slicer segmentation", "lesions.seg.nrrd", "application/octet-stream"),
    "csv": ExportKind("table (CSV)", "lesions.csv", "text/csv; charset=utf-8"),
    "pdf": ExportKind("report (PDF)", "report.pdf", "application/pdf"),
    "html": ExportKind("report (HTML)", "report.html", "text/html; charset=utf-8"),
    "json": ExportKind("measurements (JSON)", "lesions.json", "application/json"),
}
STORED = ("seg", "rtstruct", "sr")


class Exporter:
    """Writes the lesions of one state of a session to a folder.

    Args:
        reading: the session.
        pet: where its PET is read from, None for one that is not DICOM.
        folder: for the files.
    """

    def __init__(self, reading: LiveReading, pet: Path | None, folder: Path) -> None:
        self._reading = reading
        self._pet = pet
        self._folder = folder
        self._series: Series | None = None

    def write(self, kind: str) -> Path:
        """Write one kind of file.

        Raises:
            NotNowError: the kind needs a DICOM study, or lesions.
            InputError: the study's header does not make such an object.
        """
        wanted = EXPORTS[kind]
        if wanted.needs_dicom and self._pet is None:
            raise NotNowError(f"a {wanted.title} refers to a DICOM series, and this study is not DICOM")
        if wanted.needs_dicom and not self._reading.mask.labels.any():
            raise NotNowError(f"there is no lesion to write; a {wanted.title} cannot be empty")
        path = self._folder / wanted.file
        writers: dict[str, Callable[[Path], None]] = {
            "seg": self._seg,
            "rtstruct": self._rtstruct,
            "sr": self._sr,
            "nifti": self._nifti,
            "seg.nrrd": self._seg_nrrd,
            "csv": self._csv,
            "pdf": self._report,
            "html": self._report,
            "json": self._json,
        }
        writers[kind](path)
        return path

    def _seg(self, path: Path) -> None:
        self._dicom("SEG", path)

    def _rtstruct(self, path: Path) -> None:
        self._dicom("RTSTRUCT", path)

    def _dicom(self, kind: str, path: Path) -> None:
        session = self._reading.session
        write_dicom(
            self._reading.mask.labels,
            self._source(),
            {kind: path},
            session.segmenter.record.name,
            automatic=not session.prompts,
            names=self._reading.names(),
        )

    def _sr(self, path: Path) -> None:
        from sam_pet.dicom.sr import write_sr

        seg = self._folder / EXPORTS["seg"].file
        if not seg.exists():
            self._seg(seg)
        write_sr(self._reading.table.frame, self._reading.table.totals(), self._source(), seg, path)

    def _nifti(self, path: Path) -> None:
        write_image(self._reading.study.grid.image(self._reading.mask.labels), path)

    def _seg_nrrd(self, path: Path) -> None:
        from sam_pet.slicer import write_seg_nrrd

        write_seg_nrrd(self._reading.mask.labels, self._reading.study.grid, path, self._reading.names())

    def _csv(self, path: Path) -> None:
        rows = self._reading.change(None)["lesions"]
        columns = ("lesion", "name", "volume_ml", "suv_max", "suv_mean", "suv_peak", "tlg", "diameter_mm", "voxels")
        import pandas as pd

        frame = pd.DataFrame([{name: defused(row[name]) for name in columns} for row in rows], columns=list(columns))
        with replacing(path) as temporary:
            frame.to_csv(temporary, index=False, errors="backslashreplace")

    def _json(self, path: Path) -> None:
        change = self._reading.change(None)
        write_json({"totals": change["totals"], "lesions": change["lesions"]}, path)

    def _report(self, path: Path) -> None:
        from sam_pet.report import write_report

        write_report(self._content(), path.parent)

    def _content(self) -> Content:
        from sam_pet.report import of_session

        saved = self._folder / "session"
        self._reading.session.save(saved)
        return of_session(self._reading.study, saved)

    def _source(self) -> Series:
        from sam_pet.dicom.series import read_series

        assert self._pet is not None
        if self._series is None:
            self._series = read_series(self._pet, "PET")
        return self._series
