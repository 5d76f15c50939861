"""The OpenAPI document is complete, and the server keeps to it whatever it is sent."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from sam_pet.app.guard import BODY_BYTES
from sam_pet.app.room import ReadingRoom
from sam_pet.app.server import make_api, make_app
from sam_pet.app.settings import AppSettings
from tests.fakes import random_segmenter

CHECKS = [
    schemathesis.checks.not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
DOCUMENT = Path(__file__).parents[2] / "docs" / "app-api.md"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, cases: Path) -> Any:
    room = ReadingRoom(AppSettings(tmp_path_factory.mktemp("app"), (cases / "one",)), random_segmenter())
    api = make_api(room)
    guard = make_app(room)
    yield api, guard, room
    room.close()


@pytest.fixture
def schema(guarded: Any) -> Any:
    api, guard, room = guarded
    found = schemathesis.openapi.from_dict(api.openapi())
    found.app = guard
    # A stream does not end, and what is removed is gone for the others.
    return found.exclude(path_regex="/events")


api = schemathesis.pytest.from_fixture("schema")


@api.parametrize()
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_every_answer_is_as_the_document_says(case: Any, guarded: Any) -> None:
    _, __, room = guarded
    case.call_and_validate(
        base_url="http://127.0.0.1", checks=CHECKS, headers={"Authorization": f"Bearer {room.tokens.of('reader')}"}
    )


def test_every_route_is_in_the_document_that_people_read(guarded: Any) -> None:
    text = DOCUMENT.read_text("utf-8")
    api, *_ = guarded
    for path in api.openapi()["paths"]:
        short = re.sub(r"\{(\w+)\}", "", path).rstrip("/").rpartition("/")[2]
        assert short in text, path


def test_every_route_says_what_it_refuses(guarded: Any) -> None:
    api, *_ = guarded
    for path, methods in api.openapi()["paths"].items():
        for method, operation in methods.items():
            assert {"401", "403", "404", "409", "413", "422"} <= set(operation["responses"]), (path, method)
            assert operation["description"] if "description" in operation else operation["summary"]
    assert BODY_BYTES < 1 << 30
