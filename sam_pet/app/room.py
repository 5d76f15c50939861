"""The reading room: everything that the routes of one server share."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np

from sam_pet.app.catalogue import Catalogue
from sam_pet.app.desk import SessionCard, SessionDesk
from sam_pet.app.events import EventHub
from sam_pet.app.exports import EXPORTS, Exporter
from sam_pet.app.hover import region_at
from sam_pet.app.jobs import AppJob, Jobs
from sam_pet.app.numbered import pack, stored_box
from sam_pet.app.problems import NotNowError
from sam_pet.app.reading import LiveReading
from sam_pet.app.settings import AppSettings
from sam_pet.app.tokens import ReaderTokens
from sam_pet.app.uploads import Uploads
from sam_pet.prompts import click, require_on_grid
from sam_pet.segmenter import Segmenter

_SWEEP_S = 30.0


class ReadingRoom:
    """Studies, sessions and jobs of one server.

    Args:
        settings: what the server was told.
        segmenter: makes the masks.
    """

    def __init__(self, settings: AppSettings, segmenter: Segmenter) -> None:
        self.settings = settings
        self.segmenter = segmenter
        self.tokens = ReaderTokens(settings.readers)
        for name in ("sessions", "studies"):
            (settings.folder / name).mkdir(parents=True, exist_ok=True, mode=0o700)
        self.events = EventHub()
        self.jobs = Jobs(self.events)
        self.catalogue = Catalogue(settings.folder / "studies", settings.studies)
        self.uploads = Uploads(self.catalogue, settings.upload_bytes)
        self.desk = SessionDesk(settings.folder / "sessions", segmenter, self.events, settings.memory_bytes)
        self.pacs = None
        if settings.dicomweb is not None:
            from sam_pet.app.pacs import Pacs

            self.pacs = Pacs(settings.dicomweb)
        self._ended = threading.Event()
        self._sweeper = threading.Thread(target=self._sweep, name="sam-pet-sweep", daemon=True)
        self._sweeper.start()

    def close(self) -> None:
        """End jobs and streams, and put every session away."""
        self._ended.set()
        self.events.close()
        self.jobs.close()
        self.uploads.close()
        self.desk.close()

    # Long work

    def open(self, reader: str, name: str) -> AppJob:
        """Bring a session into memory."""

        def work(job: AppJob) -> None:
            self.desk.open(reader, name, job.report)

        return self.jobs.start(reader, "open", work, name)

    def first_answer(self, reader: str, name: str, tracer: str) -> AppJob:
        """Find the lesions of a session's study."""
        self.desk.card(reader, name)

        def work(job: AppJob) -> dict[str, Any]:
            job.report("looking for lesions")

            def watch(steps: int) -> None:
                # How many steps there will be shows as it goes.
                job.report("asking the model", 1.0 - 0.97**steps)

            change = self.desk.change(reader, name, lambda _: {"do": "first_answer", "tracer": tracer}, watch)
            return {"lesions": change["totals"]["lesions"]}

        return self.jobs.start(reader, "first-answer", work, name)

    def load(self, reader: str, uid: str) -> AppJob:
        """Fetch a study from the PACS."""
        pacs = self._pacs()

        def work(job: AppJob) -> dict[str, Any]:
            import shutil

            folder = self.catalogue.new_folder()
            try:
                pacs.fetch(uid, folder, job.report, self.settings.upload_bytes)
                return {"study": self.catalogue.keep(reader, folder, "pacs").id}
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise

        return self.jobs.start(reader, "load", work)

    def store(self, reader: str, name: str, kinds: list[str]) -> AppJob:
        """Store a session's lesions in the PACS."""
        pacs = self._pacs()
        self.desk.card(reader, name)

        def work(job: AppJob) -> dict[str, Any]:
            with tempfile.TemporaryDirectory(prefix="sam-pet-") as folder:
                job.report("writing")
                paths = self.export(reader, name, kinds, Path(folder))
                uids = pacs.store(paths, job.report)
            return {"stored": [{"kind": kind, "uid": uid} for kind, uid in zip(kinds, uids, strict=True)]}

        return self.jobs.start(reader, "store", work, name)

    # Of a session

    def export(self, reader: str, name: str, kinds: list[str], folder: Path) -> list[Path]:
        """Write kinds of files of a session to a folder."""
        card = self.desk.card(reader, name)

        def work(reading: LiveReading) -> list[Path]:
            exporter = Exporter(reading, _dicom_path(card), folder)
            return [exporter.write(kind) for kind in kinds]

        paths: list[Path] = self.desk.use(reader, name, work)
        return paths

    def hover(self, reader: str, name: str, voxel: tuple[int, int, int]) -> dict[str, Any]:
        """The region of uptake at a voxel."""
        study = self.desk.study(reader, name).study
        require_on_grid(click(voxel), study.grid)
        found = region_at(study, study.order.voxels([voxel]))
        if found is None:
            return {**pack(np.zeros((0, 0, 0), np.uint8), None), "volume_ml": 0.0, "suv_max": 0.0}
        box, region = found
        return {
            **pack(study.order.restore(region.astype(np.uint8)), stored_box(study.order, box)),
            "volume_ml": float(region.sum()) * study.grid.voxel_ml,
            "suv_max": float(study.axial_pet[box][region].max()),
        }

    def _pacs(self) -> Any:
        if self.pacs is None:
            raise NotNowError("this server was started without a PACS; give it --dicomweb URL")
        return self.pacs

    def _sweep(self) -> None:
        while not self._ended.wait(_SWEEP_S):
            self.desk.release_idle(self.settings.idle_s)


def is_dicom(card: SessionCard) -> bool:
    return bool(card.offered.dicom)


def _dicom_path(card: SessionCard) -> Path | None:
    study = card.offered
    chosen = study.chosen(card.pet, "PT") if study.dicom else None
    return None if chosen is None else Path(chosen.path)


def export_kinds() -> list[dict[str, Any]]:
    return [
        {"kind": kind, "title": found.title, "file": found.file, "needs_dicom": found.needs_dicom}
        for kind, found in EXPORTS.items()
    ]
