"""The calls of nnInteractive's client 2.6."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import numpy as np
from fastapi import APIRouter, Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from sam_pet.app.api.common import ReaderName, Room
from sam_pet.app.door.arrays import pack_array, unpack_array
from sam_pet.app.door.leases import ALIVE_S, IDLE_S, MOST, Leases
from sam_pet.app.door.objects import Bounds, MalformedError, ObjectSession
from sam_pet.errors import InputError

# Their own protocol, so it is not in our OpenAPI document.
router = APIRouter(prefix="/nninteractive", include_in_schema=False)

T = TypeVar("T")
_BINARY = "application/octet-stream"
Whole = Annotated[int, Field(ge=-(2**31), lt=2**31)]
Pair = Annotated[list[Whole], Field(min_length=2, max_length=2)]


def _leases(request: Request) -> Leases:
    leases: Leases = request.app.state.leases
    return leases


Held = Annotated[Leases, Depends(_leases)]
Token = Annotated[str | None, Header(alias="X-Lease-Token")]


def _object(leases: Held, reader: ReaderName, token: Token = None) -> ObjectSession:
    return leases.get(reader, token)


Object = Annotated[ObjectSession, Depends(_object)]


class _Shape(BaseModel):
    shape: Annotated[list[Whole], Field(min_length=3, max_length=3)]
    dtype: str


class _Run(BaseModel):
    include_interaction: bool
    run_prediction: bool = True


class _Point(_Run):
    coordinates: Annotated[list[Whole], Field(min_length=3, max_length=3)]


class _BoxBounds(_Run):
    bbox_coords: Annotated[list[Pair], Field(min_length=3, max_length=3)]


class _Drawn(_Run):
    interaction_bbox: Annotated[list[Pair], Field(min_length=3, max_length=3)] | None = None


@router.get("/healthz")
def healthz() -> dict[str, bool]:
    return {"ok": True}


@router.get("/capabilities")
def capabilities(room: Room) -> dict[str, Any]:
    return {
        "supported_interactions": {
            "points": {"+": True, "-": True},
            "bbox2d": {"+": True, "-": True},
            "bbox3d": {"+": True, "-": True},
            "scribble": {"+": True, "-": True},
            "lasso": {"+": True, "-": True},
        },
        "channel_mapping": {"initial_seg": 0, "bbox": [1, 2], "lasso": [1, 2], "point": [3, 4], "scribble": [5, 6]},
        "num_interaction_channels": 7,
        "supports_initial_label": True,
        "supports_zero_shot_label_refinement": True,
        "preferred_scribble_thickness": [1, 1, 1],
        "interaction_decay": 1.0,
        "inference_session_version": 2,
        "license": f"Apache-2.0 (model {room.segmenter.record.name})",
        "supports_undo": True,
        "do_autozoom": True,
    }


@router.post("/claim")
def claim(leases: Held, reader: ReaderName) -> dict[str, Any]:
    return {
        "lease_token": leases.claim(reader),
        "idle_timeout_seconds": IDLE_S,
        "liveness_timeout_seconds": ALIVE_S,
        "max_sessions": MOST,
    }


@router.post("/release")
def release(leases: Held, reader: ReaderName, token: Token = None) -> dict[str, bool]:
    leases.release(reader, token)
    return {"released": True}


@router.post("/heartbeat")
def heartbeat(leases: Held, reader: ReaderName, token: Token = None) -> dict[str, float]:
    return {"remaining_seconds": leases.remaining(leases.get(reader, token, using=False))}


@router.get("/lease_status")
def lease_status(leases: Held, reader: ReaderName, token: Token = None) -> dict[str, float]:
    session = leases.get(reader, token, using=False)
    return {"remaining_seconds": leases.remaining(session), "idle_timeout_seconds": IDLE_S}


@router.post("/set_image")
async def set_image(request: Request, room: Room, session: Object) -> dict[str, Any]:
    meta, body = _meta(request), await request.body()
    properties = meta.get("image_properties") or {}
    if not isinstance(properties, dict):
        raise MalformedError("image_properties must be an object")

    def work() -> list[int]:
        image = unpack_array(body, room.settings.upload_bytes)
        return _locked(session, lambda: session.set_image(image, properties))

    return {"original_image_shape": await run_in_threadpool(work)}


@router.post("/set_target_buffer")
def set_target_buffer(body: _Shape, session: Object) -> dict[str, Any]:
    _locked(session, lambda: session.require_buffer(body.shape))
    return {}


@router.post("/set_do_autozoom")
def set_do_autozoom(session: Object) -> dict[str, Any]:  # noqa: ARG001  (the lease must hold)
    """Our clips always grow with the lesion."""
    return {}


@router.post("/reset_interactions")
def reset_interactions(session: Object) -> dict[str, Any]:
    _locked(session, session.reset)
    return {}


@router.post("/undo")
def undo(session: Object) -> Response:
    def work() -> Response:
        undone, bounds = session.undo()
        return _answer(session, bounds, ran=undone)

    return _locked(session, work)


@router.post("/predict")
def predict(session: Object) -> Response:
    return _locked(session, lambda: _answer(session, session.predict(), ran=True))


@router.post("/add_point_interaction")
def add_point(body: _Point, session: Object) -> Response:
    return _added(session, body, lambda: session.point(body.coordinates, body.include_interaction))


@router.post("/add_bbox_interaction")
def add_box(body: _BoxBounds, session: Object) -> Response:
    return _added(session, body, lambda: session.box(body.bbox_coords, body.include_interaction))


@router.post("/add_scribble_interaction")
async def add_scribble(request: Request, room: Room, session: Object) -> Response:
    return await _picture(request, room, session, "scribble")


@router.post("/add_lasso_interaction")
async def add_lasso(request: Request, room: Room, session: Object) -> Response:
    return await _picture(request, room, session, "lasso")


@router.post("/add_initial_seg_interaction")
async def add_initial_seg(request: Request, room: Room, session: Object) -> Response:
    body, meta = await request.body(), _meta(request)

    def work() -> Response:
        mask = unpack_array(body, room.settings.upload_bytes)
        ran = bool(meta.get("run_prediction", False))
        return _locked(session, lambda: _answer(session, session.begin_with(mask), ran=ran))

    return await run_in_threadpool(work)


async def _picture(request: Request, room: Any, session: ObjectSession, kind: str) -> Response:
    body = await request.body()
    try:
        drawn = _Drawn(**_meta(request))
    except (ValueError, TypeError) as error:
        raise MalformedError("X-Meta does not say what the picture is") from error

    def work() -> Response:
        picture = unpack_array(body, room.settings.upload_bytes)
        make = session.scribble if kind == "scribble" else session.lasso
        return _added(session, drawn, lambda: make(picture, drawn.interaction_bbox, drawn.include_interaction))

    return await run_in_threadpool(work)


def _added(session: ObjectSession, body: _Run, make: Callable[[], Any]) -> Response:
    def work() -> Response:
        bounds = session.add(make(), body.run_prediction)
        return _answer(session, bounds, ran=body.run_prediction)

    return _locked(session, work)


def _locked(session: ObjectSession, work: Callable[[], T]) -> T:
    with session.lock:
        try:
            return work()
        except InputError as error:
            raise MalformedError(str(error)) from error


def _answer(session: ObjectSession, bounds: Bounds | None, *, ran: bool) -> Response:
    """The changed box, as the client writes it into its buffer."""
    meta: dict[str, Any] = {"ran_prediction": ran, "bbox": bounds}
    content = b""
    if bounds is not None:
        part = np.ascontiguousarray(session.part(bounds))
        meta |= {"dtype": str(part.dtype), "shape": list(part.shape)}
        content = pack_array(part)
    return Response(content, media_type=_BINARY, headers={"X-Meta": json.dumps(meta, separators=(",", ":"))})


def _meta(request: Request) -> dict[str, Any]:
    try:
        meta = json.loads(request.headers.get("x-meta", "{}"))
    except ValueError as error:
        raise MalformedError("X-Meta is not JSON") from error
    if not isinstance(meta, dict):
        raise MalformedError("X-Meta must be an object")
    return meta
