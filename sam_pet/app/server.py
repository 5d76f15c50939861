"""The server: routes, what guards them, and the page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

import sam_pet
from sam_pet.app.api import changes, sessions, studies
from sam_pet.app.door import routes
from sam_pet.app.door.leases import Leases
from sam_pet.app.faults import log_fault
from sam_pet.app.guard import Guard
from sam_pet.app.problems import AppError
from sam_pet.app.room import ReadingRoom
from sam_pet.errors import InputError, one_line

STATIC = Path(__file__).with_name("static")


def make_api(room: ReadingRoom) -> FastAPI:
    """The routes of a reading room, without their guard."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        room.close()

    api = FastAPI(
        title="sam_pet",
        version=sam_pet.__version__,
        description="Readings of PET/CT studies; see docs/app-api.md.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        separate_input_output_schemas=False,
    )
    api.state.room = room
    api.state.leases = Leases(room.segmenter)
    for router in (studies.router, sessions.router, changes.router, routes.router):
        api.include_router(router)
    api.mount("/", StaticFiles(directory=STATIC, html=True), name="page")
    for error, handler in _HANDLERS.items():
        api.add_exception_handler(error, handler)
    return api


def make_app(room: ReadingRoom) -> ASGIApp:
    """The server of a reading room."""
    return Guard(make_api(room), room.tokens, room.settings.hosts, room.settings.upload_bytes)


def _sentence(status: int, sentence: str) -> JSONResponse:
    # nnInteractive's clients look for `detail`.
    return JSONResponse({"error": sentence, "detail": sentence}, status)


async def _of_app(_: Request, error: Any) -> Response:
    return _sentence(error.status, error.sentence)


async def _of_input(_: Request, error: Any) -> Response:
    return _sentence(422, one_line(error))


async def _of_disk(_: Request, error: Any) -> Response:
    return _sentence(507, f"the disk of the server cannot be read or written ({error.strerror or 'OSError'})")


async def _of_memory(_: Request, __: Any) -> Response:
    return _sentence(507, "the memory of the server ran out; release a session")


async def _of_values(_: Request, error: Any) -> Response:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
    return _sentence(422, f"{where or 'body'}: {first['msg']}")


async def _of_http(_: Request, error: Any) -> Response:
    texts = {404: "there is nothing of this name", 405: "this cannot be done here"}
    answer = _sentence(error.status_code, texts.get(error.status_code, "the request is malformed"))
    answer.headers.update(error.headers or {})
    return answer


async def _of_fault(_: Request, error: Any) -> Response:
    return _sentence(500, log_fault(error))


_HANDLERS: dict[Any, Callable[[Request, Any], Awaitable[Response]]] = {
    AppError: _of_app,
    InputError: _of_input,
    OSError: _of_disk,
    MemoryError: _of_memory,
    RequestValidationError: _of_values,
    HTTPException: _of_http,
    Exception: _of_fault,
}
