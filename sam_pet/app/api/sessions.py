"""Routes of sessions: opening, looking, exporting."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response, StreamingResponse

from sam_pet.app.api.common import PROBLEMS, ReaderName, Room, binary, job_json, summary
from sam_pet.app.exports import EXPORTS
from sam_pet.app.reading import LiveReading
from sam_pet.app.room import ReadingRoom, is_dicom
from sam_pet.app.schemas import (
    AxialJson,
    GridJson,
    JobJson,
    MaskUpdate,
    NewSession,
    NewStore,
    OutlineList,
    PromptRow,
    SessionContent,
    SessionJob,
    SessionList,
    SessionSummary,
    UptakeRegion,
)
from sam_pet.app.volumes import Form, Kind, volume_of

router = APIRouter(prefix="/api", responses=PROBLEMS)

_CHUNK = 4 << 20
_Index = Annotated[int, Query(ge=0, lt=2**31)]
_Lesion = Annotated[int, Path(ge=1, le=65535)]
ExportName = Literal["seg", "rtstruct", "sr", "nifti", "seg.nrrd", "csv", "pdf", "html", "json"]


@router.get("/sessions")
def list_sessions(room: Room, reader: ReaderName) -> SessionList:
    """The reader's sessions, open or not."""
    return SessionList(sessions=[summary(room, card) for card in room.desk.cards(reader)])


@router.post("/sessions", status_code=202)
def new_session(body: NewSession, room: Room, reader: ReaderName) -> SessionJob:
    """Begin a session on a study; it can be read when the job is done."""
    card = room.desk.create(reader, room.catalogue.get(reader, body.study), body.pet, body.ct)
    return _opening(room, reader, card.id)


@router.post("/sessions/{session}/open", status_code=202)
def open_session(session: str, room: Room, reader: ReaderName) -> SessionJob:
    """Bring a session back into memory."""
    room.desk.card(reader, session)
    return _opening(room, reader, session)


def _opening(room: ReadingRoom, reader: str, session: str) -> SessionJob:
    job = room.open(reader, session)
    if room.desk.is_open(session):
        job.ended.wait(1.0)
    return SessionJob(session=_summary(room, reader, session), job=job_json(job))


def _summary(room: ReadingRoom, reader: str, session: str) -> SessionSummary:
    return summary(room, room.desk.card(reader, session))


@router.get("/sessions/{session}")
def get_session(session: str, room: Room, reader: ReaderName) -> SessionContent:
    """All of a session but its images and its mask."""
    card = room.desk.card(reader, session)

    def look(reading: LiveReading) -> SessionContent:
        study = reading.study
        grid, order = study.grid, study.order
        return SessionContent(
            **reading.change(None),
            id=card.id,
            study=card.offered.id,
            title=card.title,
            grid=GridJson(
                size=list(grid.size),
                spacing=list(grid.spacing),
                origin=list(grid.origin),
                direction=list(grid.direction),
            ),
            axial=AxialJson(axes=list(order.axes), flips=list(order.flips)),
            has_ct=study.ct is not None,
            suv_max=float(study.pet.max()),
            dicom=is_dicom(card),
            simulated=card.offered.source == "simulated",
            prompts=[PromptRow(**row) for row in reading.prompts()],
        )

    content: SessionContent = room.desk.use(reader, session, look)
    return content


@router.delete("/sessions/{session}", status_code=204)
def remove_session(session: str, room: Room, reader: ReaderName) -> None:
    """Take a session off the disk."""
    room.desk.remove(reader, session)


@router.post("/sessions/{session}/release", status_code=204)
def release_session(session: str, room: Room, reader: ReaderName) -> None:
    """Take a session out of memory; it comes back when it is touched."""
    room.desk.release(reader, session)


@router.get(
    "/sessions/{session}/volumes/{kind}",
    response_class=StreamingResponse,
    responses={
        **PROBLEMS,
        **binary("application/octet-stream", "The volume."),
        304: {"description": "As you have it."},
    },
)
def get_volume(
    session: str,
    kind: Kind,
    request: Request,
    room: Room,
    reader: ReaderName,
    form: Form = "raw",
    type: Literal["float32", "int16"] = "float32",
) -> Response:
    """PET (SUV) or CT (HU) on the PET grid."""
    tag = f'"{session}-{kind}-{form}-{type}"'
    fixed = {"ETag": tag, "Cache-Control": "private, no-cache"}
    room.desk.card(reader, session)
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=fixed)
    head, values, slope = volume_of(room.desk.study(reader, session).study, kind, form, type)
    length = len(head) + len(values)

    def parts() -> Iterator[bytes]:
        if head:
            yield head
        for start in range(0, len(values), _CHUNK):
            yield bytes(values[start : start + _CHUNK])

    headers = {**fixed, "X-Slope": repr(slope), "Content-Length": str(length)}
    return StreamingResponse(parts(), media_type="application/octet-stream", headers=headers)


@router.get("/sessions/{session}/labels")
def get_labels(session: str, room: Room, reader: ReaderName) -> MaskUpdate:
    """The whole mask."""

    def look(reading: LiveReading) -> MaskUpdate:
        return MaskUpdate(**reading.mask.packed(None), revision=reading.revision, reset=True)

    found: MaskUpdate = room.desk.use(reader, session, look)
    return found


@router.get("/sessions/{session}/hover")
def get_hover(session: str, x: _Index, y: _Index, z: _Index, room: Room, reader: ReaderName) -> UptakeRegion:
    """The region of uptake at a voxel, which a click there would be about."""
    return UptakeRegion(**room.hover(reader, session, (x, y, z)))


@router.get("/sessions/{session}/lesions/{lesion}/outlines")
def get_outlines(session: str, lesion: _Lesion, room: Room, reader: ReaderName) -> OutlineList:
    """What each rule would make of a lesion."""
    rows = room.desk.use(reader, session, lambda reading: reading.outlines(lesion))
    return OutlineList(outlines=rows)


@router.get(
    "/sessions/{session}/exports/{kind}",
    response_class=Response,
    responses={
        **PROBLEMS,
        200: {
            "description": "The file.",
            "content": {
                media_type: {"schema": {"type": "string", "format": "binary"}}
                for media_type in dict.fromkeys(kind.media_type for kind in EXPORTS.values())
            },
        },
    },
)
def get_export(session: str, kind: ExportName, room: Room, reader: ReaderName) -> Response:
    """The lesions as a file of another program."""
    wanted = EXPORTS[kind]
    with tempfile.TemporaryDirectory(prefix="sam-pet-") as folder:
        (path,) = room.export(reader, session, [kind], FilePath(folder))
        content = path.read_bytes()
    headers = {"Content-Disposition": f'attachment; filename="{wanted.file}"'}
    return Response(content, media_type=wanted.media_type, headers=headers)


@router.post("/sessions/{session}/store", status_code=202)
def store_session(session: str, body: NewStore, room: Room, reader: ReaderName) -> JobJson:
    """Store lesions in the PACS (STOW)."""
    return job_json(room.store(reader, session, list(dict.fromkeys(body.kinds))))


@router.get(
    "/events",
    response_class=StreamingResponse,
    responses={**PROBLEMS, **binary("text/event-stream", "Events as they happen.")},
)
async def get_events(room: Room, reader: ReaderName, session: str | None = None) -> StreamingResponse:
    """Server-sent events: the reader's jobs, and the changes of one session."""
    revision = None if session is None else room.desk.card(reader, session).revision
    stream = room.events.stream(reader, session, {"session": session, "revision": revision})
    return StreamingResponse(stream, media_type="text/event-stream")
