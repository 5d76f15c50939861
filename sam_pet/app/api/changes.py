"""Routes of what changes a session."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Path

from sam_pet.app.api.common import PROBLEMS, ReaderName, Room, job_json
from sam_pet.app.brush import brushed
from sam_pet.app.journal import Op
from sam_pet.app.problems import NotNowError
from sam_pet.app.reading import LiveReading
from sam_pet.app.room import ReadingRoom
from sam_pet.app.schemas import (
    Change,
    JobJson,
    NewAnswer,
    NewBrush,
    NewFacts,
    NewOutline,
    NewPreselection,
    NewPrompt,
)
from sam_pet.prompt_files import record_of
from sam_pet.prompts import paint

router = APIRouter(prefix="/api/sessions/{session}", responses=PROBLEMS)

_Lesion = Annotated[int, Path(ge=1, le=65535)]


def _change(room: ReadingRoom, reader: str, session: str, make: Callable[[LiveReading], Op]) -> Change:
    return Change(**room.desk.change(reader, session, make))


@router.post("/prompts")
def add_prompt(session: str, body: NewPrompt, room: Room, reader: ReaderName) -> Change:
    """Click, draw a stroke or a box."""
    prompt = {"kind": body.kind, "label": body.label, "voxels": body.voxels}
    return _change(room, reader, session, lambda _: {"do": "add", "prompt": prompt, "lesion": body.lesion})


@router.delete("/prompts/{number}")
def delete_prompt(session: str, number: Annotated[int, Path(ge=0, lt=2**31)], room: Room, reader: ReaderName) -> Change:
    """Take one prompt out; what follows stands as if it had never been drawn."""
    return _change(room, reader, session, lambda _: {"do": "delete", "prompt": number})


@router.post("/undo")
def undo(session: str, room: Room, reader: ReaderName) -> Change:
    """Take the last change back."""
    return _change(room, reader, session, _step(0, "undo", "nothing is there to undo"))


@router.post("/redo")
def redo(session: str, room: Room, reader: ReaderName) -> Change:
    """Do again what was taken back."""
    return _change(room, reader, session, _step(1, "redo", "nothing is there to redo"))


def _step(which: int, do: str, sentence: str) -> Callable[[LiveReading], Op]:
    def make(reading: LiveReading) -> Op:
        if not reading.session.steps[which]:
            raise NotNowError(sentence)
        return {"do": do}

    return make


@router.post("/lesions/{lesion}/reject")
def reject(session: str, lesion: _Lesion, room: Room, reader: ReaderName) -> Change:
    """Say that a lesion is none."""

    def make(reading: LiveReading) -> Op:
        reading.require_lesion(lesion)
        return {"do": "reject", "lesion": lesion}

    return _change(room, reader, session, make)


@router.patch("/lesions/{lesion}")
def tell_lesion(session: str, lesion: _Lesion, body: NewFacts, room: Room, reader: ReaderName) -> Change:
    """Name, colour, hide, lock or accept a lesion."""
    facts = body.model_dump(exclude_unset=True)
    # A flag is on or off; a name or a colour may be taken back.
    flags = {name: value for name, value in facts.items() if name in ("name", "colour") or value is not None}

    def make(reading: LiveReading) -> Op:
        reading.require_lesion(lesion)
        return {"do": "facts", "lesion": lesion, "facts": flags}

    return _change(room, reader, session, make)


@router.post("/lesions/{lesion}/outline")
def outline(session: str, lesion: _Lesion, body: NewOutline, room: Room, reader: ReaderName) -> Change:
    """Another outline of the same click, by a rule."""
    return _change(room, reader, session, lambda reading: reading.outline_op(lesion, body.rule))


@router.post("/brush")
def brush(session: str, body: NewBrush, room: Room, reader: ReaderName) -> Change:
    """Paint or erase voxels."""

    def make(reading: LiveReading) -> Op:
        suv = (body.min_suv, body.max_suv)
        voxels = brushed(reading.study, body.path, body.radius_mm, body.shape, body.axis, suv)
        if not len(voxels):
            raise NotNowError("the brush touches no voxel that it may change")
        label = "tumor" if body.mode == "paint" else "background"
        lesion = body.lesion
        if lesion is None and body.mode == "paint":
            lesion = reading.lesion_at(body.path[0])
        op: dict[str, Any] = {"do": "add", "prompt": record_of(paint(voxels, label)), "lesion": lesion}
        return op

    return _change(room, reader, session, make)


@router.post("/preselect")
def preselect(session: str, body: NewPreselection, room: Room, reader: ReaderName) -> Change:
    """Mark all that a rule finds."""
    return _change(room, reader, session, lambda reading: reading.preselect_op(body.rule, body.suv, body.min_ml))


@router.post("/first-answer", status_code=202)
def first_answer(session: str, body: NewAnswer, room: Room, reader: ReaderName) -> JobJson:
    """Find lesions without a prompt; the change comes as an event."""
    return job_json(room.first_answer(reader, session, body.tracer))
