"""Routes of studies, uploads, the PACS and jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

import sam_pet
from sam_pet.app.api.common import PROBLEMS, ReaderName, Room, job_json, study_json
from sam_pet.app.problems import NotNowError
from sam_pet.app.room import export_kinds
from sam_pet.app.rules import MODEL, OUTLINES, PRESELECT
from sam_pet.app.schemas import (
    About,
    ExportTitle,
    JobJson,
    JobList,
    ModelFacts,
    NewUpload,
    PacsList,
    PacsStudy,
    RuleTitle,
    StudyJson,
    StudyListJson,
    UploadJson,
)
from sam_pet.app.uploads import MOST_FILES

router = APIRouter(prefix="/api", responses=PROBLEMS)

_UID = r"^[0-9.]{1,64}$"
_TEXT = Query(max_length=64)


@router.get("/about")
def about(room: Room, reader: ReaderName) -> About:
    """What this server is and can do."""
    record = room.segmenter.record
    return About(
        version=sam_pet.__version__,
        reader=reader,
        model=ModelFacts(name=record.name, trained=record.trained),
        pacs=room.pacs is not None,
        upload_bytes=room.settings.upload_bytes,
        outlines=[
            RuleTitle(rule=MODEL, title=MODEL),
            *(RuleTitle(rule=name, title=rule.title) for name, rule in OUTLINES.items()),
        ],
        preselect=[RuleTitle(rule=name, title=rule.title) for name, rule in PRESELECT.items()],
        exports=[ExportTitle(**kind) for kind in export_kinds()],
    )


@router.get("/studies")
def list_studies(room: Room, reader: ReaderName) -> StudyListJson:
    """The studies that can be opened."""
    return StudyListJson(studies=[study_json(study) for study in room.catalogue.of(reader)])


@router.get("/studies/{study}")
def get_study(study: str, room: Room, reader: ReaderName) -> StudyJson:
    """One study."""
    return study_json(room.catalogue.get(reader, study))


@router.delete("/studies/{study}", status_code=204)
def remove_study(study: str, room: Room, reader: ReaderName) -> None:
    """Remove the server's copy of an uploaded or fetched study."""
    room.catalogue.remove(reader, study)


@router.post("/uploads", status_code=201)
def begin_upload(body: NewUpload, room: Room, reader: ReaderName) -> UploadJson:
    """Begin an upload of so many bytes."""
    return UploadJson(id=room.uploads.begin(reader, body.bytes))


_OCTETS = {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}


@router.put("/uploads/{upload}/files/{number}", status_code=204, openapi_extra={"requestBody": _OCTETS})
async def put_file(
    upload: str,
    number: Annotated[int, Path(ge=0, lt=MOST_FILES)],
    request: Request,
    room: Room,
    reader: ReaderName,
    name: Annotated[str, Query(max_length=1024)] = "",
) -> Response:
    """One file of an upload, as it is."""
    await room.uploads.put(reader, upload, number, name, request.stream())
    return Response(status_code=204)


@router.post("/uploads/{upload}/done", status_code=201)
def end_upload(upload: str, room: Room, reader: ReaderName) -> StudyJson:
    """Make a study of an upload."""
    return study_json(room.uploads.done(reader, upload))


@router.delete("/uploads/{upload}", status_code=204)
def drop_upload(upload: str, room: Room, reader: ReaderName) -> None:
    """Give an upload up."""
    room.uploads.drop(reader, upload)


@router.get("/pacs/studies")
async def list_pacs(
    room: Room,
    patient: Annotated[str, _TEXT] = "",
    patient_id: Annotated[str, _TEXT] = "",
    date: Annotated[str, Query(pattern=r"^(\d{8})?(-(\d{8})?)?$")] = "",
    modality: Annotated[str, Query(pattern=r"^[A-Z]{0,16}$")] = "PT",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> PacsList:
    """Studies of the PACS (QIDO)."""
    if room.pacs is None:
        raise NotNowError("this server was started without a PACS; give it --dicomweb URL")
    filters = {"PatientName": patient, "PatientID": patient_id, "StudyDate": date, "ModalitiesInStudy": modality}
    found = await run_in_threadpool(room.pacs.studies, filters, limit, offset)
    return PacsList(studies=[PacsStudy(**study) for study in found])


@router.post("/pacs/studies/{uid}/load", status_code=202)
def load_study(uid: Annotated[str, Path(pattern=_UID)], room: Room, reader: ReaderName) -> JobJson:
    """Fetch a study from the PACS (WADO)."""
    return job_json(room.load(reader, uid))


@router.get("/jobs")
def list_jobs(room: Room, reader: ReaderName) -> JobList:
    """The reader's long work, running and ended."""
    return JobList(jobs=[job_json(job) for job in room.jobs.of(reader)])


@router.get("/jobs/{job}")
def get_job(job: str, room: Room, reader: ReaderName) -> JobJson:
    """How far a job is."""
    return job_json(room.jobs.get(reader, job))


@router.delete("/jobs/{job}")
def cancel_job(job: str, room: Room, reader: ReaderName) -> JobJson:
    """Cancel a job; it ends at its next step."""
    found = room.jobs.get(reader, job)
    found.cancel()
    return job_json(found)
