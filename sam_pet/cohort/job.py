"""What a worker does with one study: read it, segment it, keep its mask and manifest."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

import sam_pet
from sam_pet import outputs
from sam_pet.audit import mask_sha256
from sam_pet.cohort.folder import MASK, REPORT, CohortFolder, Manifest
from sam_pet.cohort.keys import content_key, state_key
from sam_pet.cohort.pipeline import Settled
from sam_pet.cohort.study import CohortStudy
from sam_pet.errors import InputError, one_line
from sam_pet.files import file_sha256, replacing
from sam_pet.labels import Labels
from sam_pet.requests import Request, read_request

if TYPE_CHECKING:
    import pandas as pd

    from sam_pet.segmenter import Segmenter
    from sam_pet.session.saved import Record


@dataclass(frozen=True)
class _Read:
    study: CohortStudy
    request: Request
    facts: Manifest


@dataclass(frozen=True)
class _Answer:
    read: _Read
    labels: Labels
    lesions: pd.DataFrame
    record: Record
    facts: Manifest


@dataclass(frozen=True)
class SegmentStudy:
    """A `PooledJob` over the studies of a cohort; what goes wrong with one is recorded, and none stops another.

    Attributes:
        folder: where masks and manifests go.
        model: a name or a path, as `Segmenter.from_pretrained` takes it.
        device: likewise.
        reports: whether each study gets a page with pictures.
    """

    folder: CohortFolder
    model: str
    device: str
    reports: bool = False

    def read(self, study: CohortStudy) -> _Read | Settled[Manifest]:
        """The study's images and prompts; its manifest if it is done, or cannot be read."""
        started = time.perf_counter()
        try:
            if study.fault is not None:
                raise InputError(study.fault)
            # First: what changes while it is read is read again by the next run.
            state = state_key(study, self.model)
            key = content_key(study, self.model)
            done = self.folder.done(study.name, self.reports, key=key)
            if done is not None:
                self.folder.keep({**done, "state": state})
                return Settled({**done, "state": state})
            request = read_request(study.pet, study.ct, study.prompts)
        except Exception as error:  # one study must not stop the others
            return Settled(self._failed(study, error))
        return _Read(study, request, {"key": key, "state": state, "read_s": _since(started)})

    def work(self, read: _Read) -> _Answer | Manifest:
        """The lesions; the manifest of a study whose segmentation failed.

        Raises:
            InputError: the model cannot be loaded; no study is to blame, and masks of earlier runs stay.
        """
        segmenter = _segmenter(self.model, self.device)
        started = time.perf_counter()
        try:
            session = read.request.answered(segmenter)
            labels, lesions, record = session.labels, session.lesions, _record(session)
        except Exception as error:
            return self._failed(read.study, error)
        named = {"model": segmenter.record.name, "weights": segmenter.facts, "trained": segmenter.record.trained}
        return _Answer(read, labels, lesions, record, {"work_s": _since(started), **named})

    def write(self, answer: _Answer | Manifest) -> Manifest:
        """Keep the mask, then the manifest."""
        if isinstance(answer, dict):
            return answer
        read = answer.read
        started = time.perf_counter()
        folder, grid = self.folder.of(read.study.name), read.request.study.grid
        try:
            mask = (answer.labels > 0).astype(np.uint8)
            outputs.write_mask(answer.labels, grid, folder / MASK)
            if self.reports:
                with replacing(folder / REPORT) as temporary:
                    temporary.write_text(_page(answer), encoding="utf-8")
            manifest = {
                "name": read.study.name,
                **read.facts,
                **answer.facts,
                "version": sam_pet.__version__,
                "sha256": file_sha256(folder / MASK),
                "mask_sha256": mask_sha256(mask),
                "actor": read.request.actor.record,
                "report": self.reports,
                "lesions": len(answer.lesions),
                "volume_ml": round(int(mask.sum()) * grid.voxel_ml, 4),
                "write_s": _since(started),
                "measurements": _rows(answer.lesions),
            }
            self.folder.keep(manifest)
        except (InputError, OSError) as error:
            return self._failed(read.study, error)
        return manifest

    def _failed(self, study: CohortStudy, error: Exception) -> Manifest:
        return self.folder.keep_error(study.name, _reason(error))


def _reason(error: Exception) -> str:
    if isinstance(error, InputError):
        return one_line(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"cannot read or write {os.fsdecode(error.filename)}: {error.strerror or one_line(error)}"
    if isinstance(error, MemoryError):
        return "memory ran out; give fewer workers, or a smaller image"
    return f"{type(error).__name__}: {one_line(error)}"


def _rows(lesions: pd.DataFrame) -> list[dict[str, Any]]:
    """One for each lesion; JSON knows no NaN."""
    rows = lesions.to_dict("records")
    return [{str(k): None if v != v else v for k, v in row.items()} for row in rows]


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)


@lru_cache(maxsize=1)
def _segmenter(model: str, device: str) -> Segmenter:
    # Torch takes seconds to import: not for a study that is done or cannot be read.
    from sam_pet.segmenter import Segmenter

    segmenter = Segmenter.from_pretrained(model, device)
    segmenter.warn_of_weights()
    return segmenter


def _record(session: Any) -> Record:
    from sam_pet.session.saved import Record

    segmenter = session.segmenter
    facts = {"source": segmenter.source, "sha256": segmenter.sha256, "trained": segmenter.record.trained}
    drawn = zip(session.prompts, (entry.lesions for entry in session.entries), strict=True)
    return Record(tuple(drawn), facts, sam_pet.__version__, session.asked)


def _page(answer: _Answer) -> str:
    from sam_pet.report import Content
    from sam_pet.report.html import page

    return page(Content(answer.read.request.study, answer.labels, record=answer.record))
