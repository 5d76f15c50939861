"""What all routes have in common."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from sam_pet.app.desk import SessionCard
from sam_pet.app.problems import AppError
from sam_pet.app.room import ReadingRoom
from sam_pet.app.schemas import JobJson, Problem, SessionSummary, StudyJson
from sam_pet.app.sources import OfferedStudy

_MEANINGS = {
    400: "The request is malformed.",
    401: "No token, or a wrong one.",
    403: "Another site's page, or a foreign host name.",
    404: "There is no such thing.",
    409: "It cannot be done as things stand.",
    413: "It is more than the server takes.",
    422: "The values make no sense.",
    500: "The server has a fault.",
    502: "The PACS does not answer.",
    507: "The disk of the server cannot be written.",
}
PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": meaning} for status, meaning in _MEANINGS.items()
}


def _room(request: Request) -> ReadingRoom:
    room: ReadingRoom = request.app.state.room
    return room


def _reader(request: Request) -> str:
    reader: str = request.state.reader
    return reader


Room = Annotated[ReadingRoom, Depends(_room)]
ReaderName = Annotated[str, Depends(_reader)]


def binary(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """The documentation of an answer that is no JSON."""
    content = {media_type: {"schema": {"type": "string", "format": "binary"}}}
    return {200: {"description": description, "content": content}}


def study_json(study: OfferedStudy) -> StudyJson:
    facts = study.facts()
    return StudyJson(**{**facts, "simulated": study.source == "simulated"})


def summary(room: ReadingRoom, card: SessionCard) -> SessionSummary:
    return SessionSummary(
        id=card.id,
        study=card.offered.id,
        title=card.title,
        created=card.created,
        changed=card.changed,
        revision=card.revision,
        lesions=card.lesions,
        open=room.desk.is_open(card.id),
        problem=card.problem,
    )


def job_json(job: Any) -> JobJson:
    return JobJson(**job.facts())


class DiskError(AppError):
    """The server's disk is full or cannot be written."""

    status = 507
