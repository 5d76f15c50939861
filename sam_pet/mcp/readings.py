"""Readings: studies that are open, each at a desk of its own, and the files that they are exported to."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

from sam_pet import outputs
from sam_pet.agent.desk import AgentDesk
from sam_pet.audit import Actor
from sam_pet.errors import InputError
from sam_pet.files import require_folder
from sam_pet.mcp.shelf import DEMO, Shelf, Shelved
from sam_pet.segmenter import Segmenter
from sam_pet.session.files import FILES

Form = Literal["mask", "session", "slicer", "dicom_seg", "rtstruct", "report"]
MOST_OPEN = 4
MOST_CALLS = 10_000
TYPES = {
    ".nii.gz": "application/gzip",
    ".nrrd": "application/octet-stream",
    ".dcm": "application/dicom",
    ".json": "application/json",
    ".csv": "text/csv",
    ".ctbl": "text/plain",
    ".html": "text/html",
    ".pdf": "application/pdf",
}


@dataclass
class OpenReading:
    """A study that is open.

    Attributes:
        calls: how many there were.
        busy: whether a call is working on it.
        files: what was exported, by the name that it is told by.
    """

    name: str
    shelved: Shelved | None
    desk: AgentDesk
    calls: int = 0
    busy: bool = False
    files: dict[str, Path] = field(default_factory=dict)


class Readings:
    """All readings of a server.

    Args:
        shelf: the studies that may be opened.
        out: the only folder that is written to.
        model, device: as for `Segmenter.from_pretrained`.

    Raises:
        InputError: nothing can be written to `out`.
    """

    def __init__(self, shelf: Shelf, out: Path, model: str = "default", device: str = "auto") -> None:
        require_folder(out)
        self.shelf = shelf
        self._out = out.resolve()
        self._model = model
        self._device = device
        self._open: dict[str, OpenReading] = {}

    @cached_property
    def segmenter(self) -> Segmenter:
        return Segmenter.from_pretrained(self._model, self._device)

    def open(self, study: str) -> OpenReading:
        """Open a study; the oldest reading that was stopped makes room.

        Raises:
            InputError: no such study, it cannot be read, or too many readings are open.
        """
        shelved = self.shelf.find(study)
        if len(self._open) >= MOST_OPEN:
            stopped = next((r.name for r in self._open.values() if r.desk.stopped is not None and not r.busy), None)
            if stopped is None:
                raise InputError(f"open_study: {MOST_OPEN} readings are open; stop one that is done")
            del self._open[stopped]
        images = self.shelf.read(shelved)
        told = DEMO if shelved is None else shelved.study
        session = self.segmenter.open(images)
        session.history.actor = Actor("agent", "mcp")
        desk = AgentDesk(session, told, simulated=shelved is None)
        reading = OpenReading(f"reading-{secrets.token_hex(4)}", shelved, desk)
        self._open[reading.name] = reading
        return reading

    def get(self, name: str) -> OpenReading:
        """An open reading, one call of it counted.

        Raises:
            InputError: there is none of this name, another call works on it, or it has had too many.
        """
        reading = self._open.get(name)
        if reading is None:
            raise InputError("reading: there is none of this name; open_study gives one")
        if reading.busy:
            raise InputError("reading: another call works on it; wait for that to end")
        if reading.calls >= MOST_CALLS:
            raise InputError(f"reading: it has had {MOST_CALLS} calls; open the study again")
        reading.calls += 1
        return reading

    def close(self, reading: OpenReading) -> None:
        self._open.pop(reading.name, None)

    @property
    def files(self) -> dict[str, Path]:
        """What was exported, by `READING/NAME`."""
        return {f"{r.name}/{name}": path for r in self._open.values() for name, path in r.files.items()}

    def export(self, reading: OpenReading, forms: list[Form]) -> dict[str, Path]:
        """Write a reading to its own folder under `out`.

        Returns:
            The files of this export by name, in the order of `forms`.

        Raises:
            InputError: a DICOM object is wanted of a study that is not DICOM.
        """
        folder = self._out / reading.name
        session, labels, grid = reading.desk.session, reading.desk.sight.labels, reading.desk.study.grid
        dicom = {
            kind: folder / name
            for form, kind, name in (("dicom_seg", "SEG", "seg.dcm"), ("rtstruct", "RTSTRUCT", "rtstruct.dcm"))
            if form in forms
        }
        if dicom and (reading.shelved is None or not reading.shelved.dicom):
            raise InputError("export: DICOM objects refer to a DICOM PET, and this study is none; leave them out")
        written: dict[str, Path] = {}
        for form in forms:
            if form == "mask":
                outputs.write_mask(labels, grid, folder / "mask.nii.gz")
                written["mask.nii.gz"] = folder / "mask.nii.gz"
            elif form == "slicer":
                outputs.write_mask(labels, grid, folder / "lesions.seg.nrrd")
                written["lesions.seg.nrrd"] = folder / "lesions.seg.nrrd"
            elif form in ("session", "report"):
                session.save(folder / "session")
                saved = {name: folder / "session" / name for name in FILES}
                written |= {f"session/{name}": path for name, path in saved.items() if path.exists()}
            if form == "report":
                written |= self._report(reading, folder)
        if dicom and reading.shelved is not None:
            source = outputs.source_series(reading.shelved.pet, dicom)
            assert source is not None
            name = session.segmenter.record.name
            outputs.write_dicom(labels, source, dicom, name, automatic=not session.prompts)
            written |= {path.name: path for path in dicom.values()}
        reading.files |= written
        return written

    def _report(self, reading: OpenReading, folder: Path) -> dict[str, Path]:
        from sam_pet.report import of_session, write_report
        from sam_pet.report.write import FILES as REPORT

        write_report(of_session(reading.desk.study, folder / "session"), folder / "report")
        return {f"report/{name}": folder / "report" / name for name in REPORT}
